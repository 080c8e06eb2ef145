//! `tidegate admin token`: the tokens of administrators, with which programs and browsers are logged in.

use clap::Subcommand;
use serde_json::json;
use tidegate_api_types::{ListTokens, RevokeToken, Token};

use super::Place;
use super::door::{Door, Purpose};
use super::lines::print_line;
use super::times::date;
use super::user::{PAGE, change};

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// List the tokens that are good
    List {
        #[command(flatten)]
        place: Place,
        /// Only those of this administrator
        #[arg(long, short)]
        username: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; its owner has to log in again
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The id of the token, as the list shows it
        #[arg(long)]
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::List { place, username, json } => list(&place, username.as_deref(), json).await,
        TokenCommand::Revoke { place, id, json } => revoke(&place, id, json).await,
    }
}

async fn list(place: &Place, username: Option<&str>, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let tokens = all(&mut door).await;
    door.finish().await;
    let mut tokens = tokens?;
    tokens.retain(|token| username.is_none_or(|username| token.admin == username));
    if json {
        println!("{}", serde_json::to_string_pretty(&tokens)?);
        return Ok(());
    }
    for Token { id, admin, address, created_at, expires_at } in &tokens {
        let address = if address.is_empty() { "this machine" } else { address };
        let (since, until) = (date(*created_at), date(*expires_at));
        print_line!("{id} {admin:<24} {address:<16} since {since}, until {until}");
    }
    Ok(())
}

async fn all(door: &mut Door) -> anyhow::Result<Vec<Token>> {
    let mut request = ListTokens { limit: PAGE, ..ListTokens::default() };
    let mut tokens = Vec::new();
    loop {
        let page = door.call(request.clone()).await?;
        tokens.extend(page.tokens);
        if page.next.is_none() {
            return Ok(tokens);
        }
        request.after = page.next;
    }
}

async fn revoke(place: &Place, id: String, json: bool) -> anyhow::Result<()> {
    let revoked = change(place, RevokeToken { id }).await?;
    if json {
        println!("{}", json!(revoked));
    } else {
        print_line!("The token {} was revoked.", revoked.revoked);
    }
    Ok(())
}
