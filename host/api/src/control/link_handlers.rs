//! Hands requests about login links, and codes for lost passwords, to their use cases.

use tidegate_api_types as api;
use tidegate_api_types::{
    AddLoginLink, DeleteLoginLink, DeletedLoginLink, Impersonate, ListLoginLinks, LoginLinks, MakeResetCode,
    NewLoginLink, OneClickLogin, ResetCode, UserToken,
};
use tidegate_core::admin::{Actor, AdminError, DoorClient, LinkWish, NewLink, PasswordOwner, ShownLink};
use tidegate_core::connection::WebVisit;
use tidegate_core::ports::Door;

use super::{AdminApi, Handle};

impl Handle<AddLoginLink> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddLoginLink) -> Result<NewLoginLink, AdminError> {
        let AddLoginLink { username, name, max_uses, expires_at, ips } = request;
        let wish = LinkWish { name, max_uses, expires_at, ips };
        let made = self.administration.login_links.add(actor, &username, wish).await?;
        Ok(new_link(self, made))
    }
}

impl Handle<OneClickLogin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: OneClickLogin) -> Result<NewLoginLink, AdminError> {
        let OneClickLogin { username, name } = request;
        let made = self.administration.login_links.add_for_portal(actor, &username, &name).await?;
        Ok(new_link(self, made))
    }
}

impl Handle<Impersonate> for AdminApi {
    async fn handle(&self, actor: &Actor, request: Impersonate) -> Result<UserToken, AdminError> {
        // A token is good at the door that it is made for, and this one is none of users.
        let client = DoorClient { door: Door::Rest, address: None, visit: WebVisit::default() };
        let token = self.administration.user_sessions.impersonate(actor, &request.username, &client).await?;
        Ok(UserToken { access_token: token.text.expose().to_owned(), expires_at: token.expires_at })
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

/// A link that was just made, with the page where a browser uses it.
fn new_link(api: &AdminApi, made: NewLink) -> NewLoginLink {
    let page = api.client_pages.as_ref().map(|pages| pages.login_link(made.text.expose()));
    let (path, url) = page.map(|page| (page.path, page.url)).unzip();
    NewLoginLink { code: made.text.expose().to_owned(), path, url: url.flatten(), link: link(made.link) }
}

fn link(shown: ShownLink) -> api::LoginLink {
    let ShownLink { id, name, username, max_uses, uses, expires_at, ips, created_at, created_by } = shown;
    api::LoginLink { id, name, username, max_uses, uses, expires_at, ips, created_at, created_by }
}
