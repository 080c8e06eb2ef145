//! Hands requests about login links, and codes for lost passwords, to their use cases.

use tidegate_api_types as api;
use tidegate_api_types::{
    AddLoginLink, DeleteLoginLink, DeletedLoginLink, ListLoginLinks, LoginLinks, MakeResetCode, NewLoginLink, ResetCode,
};
use tidegate_core::admin::{Actor, AdminError, LinkWish, PasswordOwner, ShownLink};

use super::{AdminApi, Handle};

impl Handle<AddLoginLink> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddLoginLink) -> Result<NewLoginLink, AdminError> {
        let AddLoginLink { username, name, max_uses, expires_at, ips } = request;
        let wish = LinkWish { name, max_uses, expires_at, ips };
        let made = self.administration.login_links.add(actor, &username, wish).await?;
        let page = self.client_pages.as_ref().map(|pages| pages.login_link(made.text.expose()));
        let (path, url) = page.map(|page| (page.path, page.url)).unzip();
        Ok(NewLoginLink { code: made.text.expose().to_owned(), path, url: url.flatten(), link: link(made.link) })
    }
}

impl Handle<ListLoginLinks> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListLoginLinks) -> Result<LoginLinks, AdminError> {
        let links = self.administration.login_links.list(actor, &request.username).await?;
        Ok(LoginLinks { links: links.into_iter().map(link).collect() })
    }
}

impl Handle<DeleteLoginLink> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DeleteLoginLink) -> Result<DeletedLoginLink, AdminError> {
        self.administration.login_links.delete(actor, &request.id).await?;
        Ok(DeletedLoginLink { deleted: request.id })
    }
}

impl Handle<MakeResetCode> for AdminApi {
    async fn handle(&self, actor: &Actor, request: MakeResetCode) -> Result<ResetCode, AdminError> {
        let owner = if request.is_admin { PasswordOwner::Administrator } else { PasswordOwner::User };
        let code = self.administration.password_resets.hand_out(actor, owner, &request.username).await?;
        Ok(ResetCode { code: code.text.expose().to_owned(), expires_at: code.expires_at })
    }
}

fn link(shown: ShownLink) -> api::LoginLink {
    let ShownLink { id, name, username, max_uses, uses, expires_at, ips, created_at, created_by } = shown;
    api::LoginLink { id, name, username, max_uses, uses, expires_at, ips, created_at, created_by }
}
