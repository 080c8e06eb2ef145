//! From the credentials of a request, or the place that it comes from, to an actor.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::{Actor, Identity, UserActor, login_at_door};
use tidegate_core::ports::{Author, Door};
use tidegate_core::secret::Secret;

use super::RestApi;
use super::authentication::{AuthenticationError, DoorClient};
use super::route::{Interface, Need};
use crate::answer::Refusal;
use crate::control::{Owner, user_name};
use crate::http::{API_KEY, Client, Entrance, is_forwarded, visit};

const ONE_TIME_CODE: HeaderName = HeaderName::from_static("x-sftpgo-otp");

/// The actor of a request.
pub struct Found {
    pub actor: Actor,
    /// The request has no credentials: it comes from a place that is trusted.
    pub is_trusted_place: bool,
}

enum Credentials {
    ApiKey(String),
    Bearer(String),
    Basic(String, Secret),
    None,
}

impl Credentials {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut keys = headers.get_all(API_KEY).iter();
        let mut authorizations = headers.get_all(AUTHORIZATION).iter();
        match (keys.next(), authorizations.next(), keys.next(), authorizations.next()) {
            (None, None, _, _) => Ok(Self::None),
            (Some(key), None, None, _) => Ok(Self::ApiKey(text(key)?)),
            (None, Some(authorization), _, None) => Self::authorization(&text(authorization)?),
            // Two of them, of which a proxy may have looked at the other one.
            (_, _, _, _) => Err(Refusal::new(ErrorCode::Malformed, "the request has credentials twice")),
        }
    }

    fn authorization(value: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Self::Bearer(rest.trim().to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(unauthenticated("the server knows the schemes Basic and Bearer only"));
        }
        let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let unreadable = || unauthenticated("the credentials are not Base64 of NAME:PASSWORD in UTF-8");
        let decoded = decoded.ok_or_else(unreadable)?;
        let (name, password) = decoded.split_once(':').ok_or_else(unreadable)?;
        Ok(Self::Basic(name.to_owned(), Secret::new(password)))
    }
}

fn text(value: &HeaderValue) -> Result<String, Refusal> {
    value.to_str().map(str::to_owned).map_err(|_| unauthenticated("the credentials are not text"))
}

fn unauthenticated(error: &str) -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, error)
}

pub fn missing() -> Refusal {
    unauthenticated("the request needs the credentials of an administrator")
}

/// The client of a request, for the use cases.
pub fn door_client(client: &Client, headers: &HeaderMap) -> DoorClient {
    DoorClient { door: Door::Rest, address: client.address, visit: visit(headers) }
}

/// The actor of a request to an interface.
///
/// # Errors
/// `Unauthenticated`, `TooMany`, or the credentials could not be judged.
pub async fn actor(
    api: &RestApi,
    interface: Interface,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Found, Refusal> {
    let with_credentials = |actor| Found { actor, is_trusted_place: false };
    let door = door_client(client, headers);
    match (Credentials::of(headers)?, interface) {
        (Credentials::ApiKey(key), _) => {
            let actor = api.authentication.api_key(&key, &door).await;
            actor.map(with_credentials).map_err(refusal)
        }
        (Credentials::Bearer(token), Interface::V2 | Interface::Tidegate) => {
            let actor = api.authentication.token(&token, &door).await;
            actor.map(with_credentials).map_err(refusal)
        }
        (Credentials::Basic(name, secret), Interface::V1) => {
            basic(api, &name, &secret, headers, client).await.map(with_credentials)
        }
        (Credentials::Bearer(_), Interface::V1) => Err(unauthenticated("this interface takes Basic and keys only")),
        (Credentials::Basic(_, _), Interface::V2 | Interface::Tidegate) => {
            Err(unauthenticated("this path takes tokens and keys only; get a token at /api/v2/token"))
        }
        (Credentials::None, interface) => {
            let actor = by_place(api, interface, headers, client).await.ok_or_else(missing)?;
            Ok(Found { actor, is_trusted_place: true })
        }
    }
}

/// The administrator that a name and a password prove, for a token.
///
/// # Errors
/// As of [`actor`].
pub async fn password(api: &RestApi, headers: &HeaderMap, client: &Client) -> Result<Actor, Refusal> {
    match Credentials::of(headers)? {
        Credentials::Basic(name, secret) => {
            let code = one_time_code(headers)?;
            let actor = api.authentication.basic(&name, &secret, code.as_deref(), &door_client(client, headers)).await;
            actor.map_err(refusal)
        }
        Credentials::ApiKey(_) | Credentials::Bearer(_) | Credentials::None => {
            Err(unauthenticated("a token is given for a name and a password (Basic)"))
        }
    }
}

/// The user of a request.
///
/// # Errors
/// As of [`actor`].
pub async fn user(api: &RestApi, headers: &HeaderMap, client: &Client) -> Result<UserActor, Refusal> {
    match Credentials::of(headers)? {
        Credentials::Bearer(token) => {
            let found = api.administration.user_sessions.of_token(&token, &door_client(client, headers)).await;
            found.map_err(refusal)
        }
        Credentials::ApiKey(_) | Credentials::Basic(_, _) | Credentials::None => {
            Err(unauthenticated("this path takes tokens of users only; get one at /api/v2/user/token"))
        }
    }
}

/// The token of a request, to end it.
pub fn token(headers: &HeaderMap) -> Option<String> {
    match Credentials::of(headers) {
        Ok(Credentials::Bearer(token)) => Some(token),
        Ok(Credentials::ApiKey(_) | Credentials::Basic(_, _) | Credentials::None) | Err(_) => None,
    }
}

/// The one-time code of a request.
///
/// # Errors
/// It is no text.
pub fn one_time_code(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    headers.get(ONE_TIME_CODE).map(text).transpose()
}

/// A user of the file `httpd.auth_user_file`, or an administrator.
async fn basic(
    api: &RestApi,
    name: &str,
    secret: &Secret,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Actor, Refusal> {
    let code = one_time_code(headers)?;
    let door = door_client(client, headers);
    let login = async {
        // D-05: a user of the file logs in as well.
        api.authentication.ask(name, secret, &door).await.map_err(refusal)?;
        if let Some(users) = &api.settings.auth_users
            && users.holds(&*api.passwords, name, secret, client.address).await?
        {
            return Ok(unstored_administrator(name, client));
        }
        api.authentication.judge(name, secret, code.as_deref(), &door).await.map_err(refusal)
    };
    let outcome = |Refusal(answer): &Refusal| match answer.code {
        ErrorCode::Unauthenticated => "denied",
        ErrorCode::TooMany => "refused",
        _ => "failure",
    };
    login_at_door(&door, (name, "password"), login, outcome).await
}

/// An administrator who is not stored, with all permissions, but without the rights of the server's owner on its own
/// machine.
fn unstored_administrator(name: &str, client: &Client) -> Actor {
    let author = Author { address: client.address, ..Author::new(name, Door::Rest) };
    // No stored administrator has the number 0.
    let identity = Identity::Administrator { admin: (name.to_owned(), 0), credential: String::new(), by_token: true };
    Actor { author, identity, ..Actor::system() }
}

/// The actor that a place stands for, without credentials. Only one that the kernel shows to be the server's own user or
/// root is its owner.
async fn by_place(api: &RestApi, interface: Interface, headers: &HeaderMap, client: &Client) -> Option<Actor> {
    match (client.entrance, interface) {
        (Entrance::Control, _) => Some(Actor::local(user_name(client.uid?).await, Door::Socket)),
        // A18-01: the older server asked for no credentials. The socket's mode says which users may connect.
        (Entrance::Unix, Interface::V1) => {
            let uid = client.uid?;
            let actor = unstored_administrator(&user_name(uid).await, client);
            // A proxy before the socket brings in requests of others.
            let is_owner = Owner::of_this_process().is(uid) && !is_forwarded(headers);
            Some(if is_owner { Actor { identity: Identity::Owner, ..actor } } else { actor })
        }
        (Entrance::Tcp { is_local: true }, Interface::V1) if api.settings.legacy_open => {
            // A proxy on this machine brings in requests from elsewhere, be it trusted or not.
            let is_direct = client.address.is_some_and(|address| address.is_loopback()) && !is_forwarded(headers);
            is_direct.then(|| unstored_administrator("", client))
        }
        (Entrance::Unix | Entrance::Tcp { .. }, Interface::V1 | Interface::V2 | Interface::Tidegate) => None,
    }
}

pub fn refusal(error: AuthenticationError) -> Refusal {
    let code = match error {
        // The client has not been judged.
        AuthenticationError::Store(error) => {
            let Refusal(answer) = Refusal::for_stranger(error.into());
            return Refusal::new(ErrorCode::Unavailable, answer.error);
        }
        AuthenticationError::Denied
        | AuthenticationError::SecondFactorNeeded
        | AuthenticationError::SecondFactorMissing => ErrorCode::Unauthenticated,
        AuthenticationError::Paused(_) | AuthenticationError::TooOften(_) => ErrorCode::TooMany,
        AuthenticationError::Hook | AuthenticationError::PasswordElsewhere | AuthenticationError::Password(_) => {
            ErrorCode::Unavailable
        }
    };
    Refusal::new(code, error.to_string())
}

/// Says which credentials are taken (RFC 9110 section 11.6.1).
pub fn challenge(interface: Interface, need: Need, response: &mut Response) {
    let scheme = match (interface, need) {
        (Interface::V1, _) | (_, Need::Password) => "Basic realm=\"Tidegate\", charset=\"UTF-8\"",
        (Interface::V2 | Interface::Tidegate, _) => "Bearer realm=\"Tidegate\"",
    };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
}
