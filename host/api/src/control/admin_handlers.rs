//! Hands requests about administrators, their tokens, and API keys to their use cases.

use serde_json::Value;
use tidegate_api_types as api;
use tidegate_api_types::{
    AddAdmin, AddApiKey, AdminCodes, Admins, ApiKeys, DeleteAdmin, DeleteApiKey, DeletedAdmin, DeletedApiKey,
    ListAdmins, ListApiKeys, ListTokens, NewApiKey, RevokeToken, RevokedToken, RotateApiKey, SetAdminCodes, ShowAdmin,
    ShowApiKey, StoredObject, Tokens, UpdateAdmin, UpdateApiKey,
};
use tidegate_core::admin::{Actor, AdminError, NewCodes, NewKey, ShownToken};
use tidegate_core::ports::{PageRequest, Version};

use super::handlers::{change_of, secret};
use super::{AdminApi, Handle, answers};

impl Handle<ListAdmins> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListAdmins) -> Result<Admins, AdminError> {
        let ListAdmins { after, prefix, limit } = request;
        let page = self.administration.admins.list(actor, PageRequest { after, prefix, limit }).await?;
        let admins: Vec<_> = page.into_iter().map(answers::object).collect();
        let next = admins.last().and_then(|last| text_of(last, "username"));
        Ok(Admins { admins, next })
    }
}

impl Handle<ShowAdmin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ShowAdmin) -> Result<StoredObject, AdminError> {
        Ok(answers::object(self.administration.admins.show(actor, &request.username).await?))
    }
}

impl Handle<AddAdmin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddAdmin) -> Result<StoredObject, AdminError> {
        let AddAdmin { document, clear_password } = request;
        Ok(answers::object(self.administration.admins.add(actor, &document, secret(clear_password)).await?))
    }
}

impl Handle<UpdateAdmin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: UpdateAdmin) -> Result<StoredObject, AdminError> {
        let UpdateAdmin { username, change, clear_password } = request;
        let (change, clear) = (change_of(change), secret(clear_password));
        Ok(answers::object(self.administration.admins.update(actor, &username, &change, clear).await?))
    }
}

impl Handle<DeleteAdmin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DeleteAdmin) -> Result<DeletedAdmin, AdminError> {
        self.administration.admins.delete(actor, &request.username).await?;
        Ok(DeletedAdmin { deleted: request.username })
    }
}

impl Handle<SetAdminCodes> for AdminApi {
    async fn handle(&self, actor: &Actor, request: SetAdminCodes) -> Result<AdminCodes, AdminError> {
        let SetAdminCodes { username, enable } = request;
        if !enable {
            self.administration.admins.remove_codes(actor, &username).await?;
            return Ok(AdminCodes::default());
        }
        Ok(admin_codes(&self.administration.admins.make_codes(actor, &username).await?))
    }
}

impl Handle<ListTokens> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListTokens) -> Result<Tokens, AdminError> {
        let request = PageRequest { after: request.after, prefix: None, limit: request.limit };
        let page = self.administration.tokens.list(actor, request).await?;
        let next = page.last().map(ShownToken::after);
        Ok(Tokens { tokens: page.into_iter().map(token).collect(), next })
    }
}

impl Handle<RevokeToken> for AdminApi {
    async fn handle(&self, actor: &Actor, request: RevokeToken) -> Result<RevokedToken, AdminError> {
        self.administration.tokens.revoke_by_id(actor, &request.id).await?;
        Ok(RevokedToken { revoked: request.id })
    }
}

impl Handle<ListApiKeys> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListApiKeys) -> Result<ApiKeys, AdminError> {
        let request = PageRequest { after: request.after, prefix: None, limit: request.limit };
        let page = self.administration.api_keys.list(actor, request).await?;
        let keys: Vec<_> = page.into_iter().map(answers::object).collect();
        let next = keys.last().and_then(|last| text_of(last, "key_id"));
        Ok(ApiKeys { keys, next })
    }
}

impl Handle<ShowApiKey> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ShowApiKey) -> Result<StoredObject, AdminError> {
        Ok(answers::object(self.administration.api_keys.show(actor, &request.key).await?))
    }
}

impl Handle<AddApiKey> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddApiKey) -> Result<NewApiKey, AdminError> {
        Ok(new_key(self.administration.api_keys.add(actor, &request.document).await?))
    }
}

impl Handle<UpdateApiKey> for AdminApi {
    async fn handle(&self, actor: &Actor, request: UpdateApiKey) -> Result<StoredObject, AdminError> {
        let UpdateApiKey { key, document, revision } = request;
        let id = document.get("id").and_then(Value::as_i64).unwrap_or_default();
        let expected = Some(Version { id, revision }).filter(|_| revision != 0);
        Ok(answers::object(self.administration.api_keys.replace(actor, &key, &document, expected).await?))
    }
}

impl Handle<RotateApiKey> for AdminApi {
    async fn handle(&self, actor: &Actor, request: RotateApiKey) -> Result<NewApiKey, AdminError> {
        Ok(new_key(self.administration.api_keys.rotate(actor, &request.key).await?))
    }
}

impl Handle<DeleteApiKey> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DeleteApiKey) -> Result<DeletedApiKey, AdminError> {
        Ok(DeletedApiKey { deleted: self.administration.api_keys.delete(actor, &request.key).await? })
    }
}

pub(crate) fn admin_codes(made: &NewCodes) -> AdminCodes {
    AdminCodes {
        secret: Some(made.secret.expose().to_owned()),
        url: Some(made.url.expose().to_owned()),
        recovery_codes: made.recovery_codes.iter().map(|code| code.expose().to_owned()).collect(),
    }
}

fn new_key(made: NewKey) -> NewApiKey {
    NewApiKey { key: made.text.expose().to_owned(), document: made.key.document }
}

pub(crate) fn token(shown: ShownToken) -> api::Token {
    let ShownToken { id, admin, address, door: _, created_at, expires_at } = shown;
    api::Token { id, admin, address, created_at, expires_at }
}

fn text_of(object: &StoredObject, field: &str) -> Option<String> {
    object.document.get(field)?.as_str().map(str::to_owned)
}
