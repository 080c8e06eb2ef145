//! Addresses that are banned or have a score (B14-04), as the older server's second interface has them: the id of an
//! address is its text in hexadecimal.

use std::collections::HashSet;
use std::net::IpAddr;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use ipnet::IpNet;
use serde_json::{Value, json};
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::{Actor, BannedAddress, ScoredAddress, UseCase};

use super::super::RestApi;
use super::super::conditions::Conditions;
use super::super::extract::{Name, Query};
use super::super::guard::Caller;
use super::super::pages;
use super::super::route::Route;
use crate::answer::{self, Refusal, done};

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let host = || {
        let properties = json!({
            "id": text(), "ip": text(), "ban_time": text(), "score": {"type": "integer", "minimum": 0},
        });
        json!({"type": "object", "properties": properties})
    };
    let hosts = json!({"type": "array", "items": host()});
    vec![
        pages::partly(Route::new(
            Method::GET,
            "/defender/hosts",
            "get_defender_hosts",
            "List the banned addresses, those first whose ban ends first, and behind them those with a score, \
             which have no ban_time; a page of them in the order of the ids.",
            list,
        ))
        .needs(UseCase::ListBans)
        .answers(200, hosts),
        Route::new(
            Method::GET,
            "/defender/hosts/{host_id}",
            "get_defender_host_by_id",
            "Show an address of the list.",
            show,
        )
        .needs(UseCase::ListBans)
        .answers(200, host())
        .versioned(),
        Route::new(
            Method::DELETE,
            "/defender/hosts/{host_id}",
            "delete_defender_host_by_id",
            "End the ban of an address, and forget its score.",
            remove,
        )
        .needs(UseCase::RemoveBan)
        .answers(200, super::super::openapi::reference("Done"))
        .versioned(),
    ]
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller, uri: Uri, query: Query) -> Result<Response, Refusal> {
    let (hosts, next) = pages::part(&query, pages::keyed(hosts(&api, &actor).await?, "id"))?;
    Ok(pages::list(&uri, &hosts, next))
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    Ok(answer::json(&found(&api, &actor, &id).await?))
}

async fn found(api: &RestApi, actor: &Actor, id: &str) -> Result<Value, Refusal> {
    let hosts = hosts(api, actor).await?;
    let found = hosts.into_iter().find(|host| host.get("id").and_then(Value::as_str) == Some(id));
    found.ok_or_else(|| missing(id))
}

async fn remove(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(id): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    based.require(found(&api, &actor, &id)).await?;
    // An actor that may end bans need not be one that may list them: the id has the address.
    let address = address_of(&id).ok_or_else(|| missing(&id))?;
    api.administration.bans.forget(&actor, &address).await?;
    Ok(done(StatusCode::OK, "Host deleted"))
}

async fn hosts(api: &RestApi, actor: &Actor) -> Result<Vec<Value>, Refusal> {
    // Read first, so that an address which is banned between the two is not missing.
    let scores = api.administration.bans.scores(actor).await?;
    let bans = api.administration.bans.list(actor).await?;
    let banned: HashSet<&str> = bans.iter().map(|ban| ban.address.as_str()).collect();
    let scores = scores.iter().filter(|scored| !banned.contains(scored.address.as_str())).map(scored);
    Ok(bans.iter().map(host).chain(scores).collect())
}

fn missing(id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::NotFound,
        format!("there is no banned address, and none with a score, with the id \"{id}\""),
    )
}

fn host(ban: &BannedAddress) -> Value {
    json!({ "id": id_of(&ban.address), "ip": ban.address, "ban_time": ban.end(), "score": ban.score })
}

fn scored(address: &ScoredAddress) -> Value {
    json!({ "id": id_of(&address.address), "ip": address.address, "score": address.score })
}

/// The bytes of the text in hexadecimal: addresses of networks have a slash, which paths cannot have in a name.
fn id_of(address: &str) -> String {
    address.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn address_of(id: &str) -> Option<String> {
    let digits = id.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let text = String::from_utf8(digits.collect::<Option<Vec<u8>>>()?).ok()?;
    let is_address = text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok();
    is_address.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_the_address() {
        for address in ["192.0.2.1", "2001:db8::/64"] {
            assert_eq!(address_of(&id_of(address)).as_deref(), Some(address));
        }
        for id in ["3", "zz", "ff", "+1"] {
            assert_ne!(address_of(id).as_deref(), Some("192.0.2.1"), "{id}");
        }
        assert_eq!((address_of("3"), address_of("zz"), address_of("é")), (None, None, None));
    }
}
