//! `tidegate user totp`: one-time codes of an account (RFC 6238), for the built-in
//! conversation and for plugins that ask for a code.

use anyhow::{Context, bail};
use serde_json::{Map, json};
use tidegate_api_types::{AdminCodes, DocumentChange, UpdateUser};

use super::Place;
use super::lines::print_line;
use super::user::change;

/// Length of a secret in bytes, as RFC 4226 §4 recommends.
const SECRET: usize = 20;

#[derive(Debug, clap::Args)]
pub struct TotpArguments {
    #[command(flatten)]
    place: Place,
    /// The account
    #[arg(long, short)]
    username: String,
    /// Make a new secret and show it once
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Take the codes away
    #[arg(long)]
    disable: bool,
    /// The name that the authenticator shows
    #[arg(long, default_value = "Tidegate")]
    issuer: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: TotpArguments) -> anyhow::Result<()> {
    if !arguments.enable && !arguments.disable {
        bail!("say --enable or --disable");
    }
    let secret = if arguments.enable { Some(new_secret()?) } else { None };
    let config = match &secret {
        Some(secret) => json!({
            "enabled": true,
            "config_name": "Default",
            "secret": { "status": "Plain", "payload": secret },
            "protocols": ["SSH"],
        }),
        None => json!({ "enabled": false }),
    };
    let patch = Map::from_iter([("filters".to_owned(), json!({ "totp_config": config }))]);
    let update = DocumentChange::Fields { patches: vec![patch], replaced: Vec::new() };
    let username = arguments.username.clone();
    change(&arguments.place, UpdateUser { username, change: update, clear_password: None }).await?;
    print(&arguments, secret.as_deref())
}

fn print(arguments: &TotpArguments, secret: Option<&str>) -> anyhow::Result<()> {
    let codes = codes(arguments, secret);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&codes)?);
        return Ok(());
    }
    let (Some(secret), Some(url)) = (&codes.secret, &codes.url) else {
        print_line!("\"{}\" has no one-time codes any more.", arguments.username);
        return Ok(());
    };
    println!("Give this to \"{}\"; it is shown only now:\n{secret}\n{url}", arguments.username);
    println!(
        "A login by password asks for a code from now on; one by key does where filters.two_factor_protocols has \
         \"SSH\"."
    );
    Ok(())
}

/// As `tidegate admin totp` prints them; an account has no recovery codes from here.
fn codes(arguments: &TotpArguments, secret: Option<&str>) -> AdminCodes {
    AdminCodes {
        secret: secret.map(str::to_owned),
        url: secret.map(|secret| url(&arguments.issuer, &arguments.username, secret)),
        recovery_codes: Vec::new(),
    }
}

fn new_secret() -> anyhow::Result<String> {
    let mut bytes = [0; SECRET];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("{error}")).context("no random bytes could be had")?;
    Ok(base32(&bytes))
}

/// Encodes bytes as in RFC 4648 §6; twenty bytes need no padding.
fn base32(bytes: &[u8]) -> String {
    totp_rs::Secret::Raw(bytes.to_vec()).to_encoded().to_string()
}

/// The URL that authenticators read from a QR code.
fn url(issuer: &str, username: &str, secret: &str) -> String {
    let encoded =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let (issuer, username) = (encoded(issuer), encoded(username));
    format!("otpauth://totp/{issuer}:{username}?secret={secret}&issuer={issuer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_authenticators_expect() {
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(url("Our files", "a&b", "ABC"), "otpauth://totp/Our%20files:a%26b?secret=ABC&issuer=Our%20files");
    }
}
