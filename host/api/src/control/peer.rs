//! The user at the other end of the control socket, as the kernel tells it (`SO_PEERCRED`, unix(7)).

use crate::answer::Refusal;
use crate::http::{Client, Entrance};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tidegate_api_types::{ErrorAnswer, ErrorCode};
use tidegate_core::admin::Actor;
use tidegate_core::ports::Door;

/// The user that the server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(pub u32);

impl Owner {
    pub fn of_this_process() -> Self {
        Self(uzers::get_effective_uid())
    }

    /// Whether the peer is this user or root: the socket's mode may have been changed.
    fn allows(self, peer: Peer) -> bool {
        peer.uid.is_some_and(|uid| self.is(uid))
    }

    /// Whether that user owns the server: it is this user or root.
    pub fn is(self, uid: u32) -> bool {
        uid == 0 || uid == self.0
    }
}

/// The peer of a connection; `uid` is `None` if the kernel does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    uid: Option<u32>,
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let client = parts.extensions.get::<Client>().filter(|client| client.entrance == Entrance::Control);
        Ok(Self { uid: client.and_then(|client| client.uid) })
    }
}

impl Peer {
    pub async fn actor(self) -> Option<Actor> {
        let uid = self.uid?;
        Some(Actor::local(user_name(uid).await, Door::Socket))
    }
}

/// The user's name on the host, or else its number.
pub async fn user_name(uid: u32) -> String {
    // The lookup may ask a directory service.
    let looked_up = tokio::task::spawn_blocking(move || uzers::get_user_by_uid(uid)).await;
    let found = looked_up.ok().flatten();
    found.map_or_else(|| format!("uid {uid}"), |user| user.name().to_string_lossy().into_owned())
}

pub async fn refuse_others(State(owner): State<Owner>, peer: Peer, request: Request, next: Next) -> Response {
    if owner.allows(peer) { next.run(request).await } else { Refusal(Box::new(stranger())).into_response() }
}

pub fn stranger() -> ErrorAnswer {
    let error = "the server accepts commands from its own user and from root only; run the command as one of them";
    ErrorAnswer::new(ErrorCode::Forbidden, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_root_are_served() {
        // A18-01
        let check = |owner: u32, peer: Option<u32>, expected: bool| {
            assert_eq!(Owner(owner).allows(Peer { uid: peer }), expected, "{owner} {peer:?}");
        };
        check(1000, Some(1000), true);
        check(1000, Some(0), true);
        check(1000, Some(1001), false);
        check(1000, None, false);
        check(0, Some(0), true);
        check(0, Some(1000), false);
        check(0, None, false);
    }

    #[tokio::test]
    async fn users_without_a_name_have_their_number() {
        assert_eq!(user_name(0).await, "root");
        assert_eq!(user_name(4_000_000_001).await, "uid 4000000001");
    }
}
