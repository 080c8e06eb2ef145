//! What a user's account has and may have, its last log-ins, and where it is logged in.

use axum::response::Response;
use tidegate_core::ports::{Door, StoredAudit};

use super::{Place, Who, person, shown};
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::text::{bytes, natural, time, used};
use crate::view::{Block, Button, Cell, Table, Tone};

const MEBIBYTE: u64 = 1 << 20;

pub fn places() -> Vec<Place> {
    vec![Place::get(super::HOME, Who::Person, show), Place::post("/web/client/sessions/end", Who::Person, end)]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let (own, person) = (&asked.web.administration.own, person(&asked)?);
    let (account, mut blocks) = (&person.account, Vec::new());
    if asked.query.text("done") == "ended" {
        blocks.push(Block::Note(Tone::Good, "The session was ended.".to_owned()));
    }
    if account.filters.needs_password_change {
        let text = "The password has to be changed before the next login over SFTP.";
        blocks.push(Block::Note(Tone::Warning, text.to_owned()));
    }
    let (usage, volume) = (&account.usage, &account.other);
    let limit = |field: &str| natural(volume.get(field).and_then(serde_json::Value::as_i64).unwrap_or(0));
    let megabytes = |field: &str| limit(field).saturating_mul(MEBIBYTE);
    let expiry = match account.expiration_date {
        0 => Cell::text("never"),
        at => time(at),
    };
    let mut facts = vec![
        ("Bytes stored".to_owned(), used("Bytes", natural(usage.used_quota_size), natural(account.quota_size), bytes)),
        (
            "Files stored".to_owned(),
            used("Files", natural(usage.used_quota_files), natural(account.quota_files), |n| n.to_string()),
        ),
        (
            "Uploaded".to_owned(),
            used("Uploads", natural(usage.used_upload_data_transfer), megabytes("upload_data_transfer"), bytes),
        ),
        (
            "Downloaded".to_owned(),
            used("Downloads", natural(usage.used_download_data_transfer), megabytes("download_data_transfer"), bytes),
        ),
    ];
    let most = megabytes("total_data_transfer");
    if most > 0 {
        let moved = natural(usage.used_upload_data_transfer).saturating_add(natural(usage.used_download_data_transfer));
        facts.push(("Uploaded and downloaded".to_owned(), used("Uploads and downloads", moved, most, bytes)));
    }
    facts.push(("Last login".to_owned(), time(account.last_login)));
    facts.push(("Account expires".to_owned(), expiry));
    blocks.push(Block::Facts(facts));
    let head = ["Session", "Address", "Since", "Until", "End"];
    let mut table = Table::new("sessions", "Where you are logged in by browser; times are in UTC", &head, "Nowhere.");
    for token in own.own_sessions(person).await? {
        let what = if token.door == Door::Web { "browser" } else { "program" };
        let what = if token.id == person.session { format!("{what} (this one)") } else { what.to_owned() };
        let address = address_of(&token.address);
        let end = Button {
            id: format!("end-{}", token.id),
            text: "End",
            of: format!("the session from {address}"),
            address: "/web/client/sessions/end".to_owned(),
            hidden: vec![("id", token.id)],
            tone: Tone::Bad,
        };
        let (since, until) = (time(token.created_at), time(token.expires_at));
        table.rows.push(vec![Cell::text(what), Cell::text(address), since, until, Cell::Buttons(vec![end])]);
    }
    blocks.push(Block::Table(table));
    let caption = "Last log-ins by browser and links; times are in UTC";
    let mut table = Table::new("logins", caption, &["Time", "Address", "How"], "There are none.");
    table.rows.extend(own.own_logins(person).await?.into_iter().map(row));
    blocks.push(Block::Table(table));
    Ok(shown(&asked, "Your account", blocks))
}

fn address_of(address: &str) -> String {
    if address.is_empty() { "the server itself".to_owned() } else { address.to_owned() }
}

fn row(login: StoredAudit) -> Vec<Cell> {
    let record = login.record;
    let address = record.author.address.map(|address| address.to_string()).unwrap_or_default();
    let how = if record.detail.is_empty() { "with the password" } else { "with a login link" };
    vec![time(record.at), Cell::text(address_of(&address)), Cell::text(how)]
}

async fn end(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.own.end_session(person(&asked)?, asked.form.text("id")).await?;
    Ok(see("/web/client?done=ended"))
}
