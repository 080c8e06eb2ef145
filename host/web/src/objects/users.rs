//! The list of accounts: by the beginning of their names and by what they have, a page at a time, wherever in 100,000 it
//! begins.

use axum::response::Response;
use tidegate_core::account::{EffectiveAccount, User};
use tidegate_core::admin::{UseCase, problem_of};
use tidegate_core::ports::{AccountFilter, PageRequest};

use super::Kind;
use super::bulk::{bulk, tick};
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::text::{bytes, natural, time, used};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Table, Tone};

const HEAD: [&str; 6] = ["Name", "State", "Home", "Used", "Files", "Last login"];
/// Accounts of a page.
const LIMIT: u32 = 50;

/// What was done before the page is shown, by the name in its address.
pub fn done(kind: Kind, name: &str) -> Option<Block> {
    let noun = if kind == Kind::User { "account" } else { kind.noun() };
    let text = match (name, kind) {
        ("saved", _) => "The changes were saved.".to_owned(),
        ("added", _) => format!("The {noun} was added."),
        ("deleted", Kind::User | Kind::Folder) => format!("The {noun} was deleted; its files stay."),
        ("deleted", Kind::Group | Kind::Role | Kind::Admin) => format!("The {noun} was deleted."),
        ("bulk", _) => "It was done with all of them.".to_owned(),
        _ => return None,
    };
    Some(Block::Note(Tone::Good, text))
}

pub async fn show(asked: Asked) -> Result<Response, Problem> {
    // The older server's pages had `qlimit` (A19-01).
    let limit = asked.query.natural("qlimit")?.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
    let limit = limit.filter(|limit| *limit > 0);
    let prefix = asked.query.given("search");
    let request = PageRequest {
        after: asked.query.exact("after"),
        prefix: prefix.clone(),
        limit: limit.unwrap_or(LIMIT).min(500),
    };
    let filter = filter(&asked)?;
    let page = asked.web.administration.users.list(asked.actor()?, &filter, request.clone()).await?;
    let bulk = bulk(Kind::User, &asked);
    let can_change = bulk.is_some();
    let caption = match &prefix {
        Some(prefix) => format!("Accounts whose names begin with “{prefix}”; times are in UTC"),
        None => "Accounts; times are in UTC".to_owned(),
    };
    let head: Vec<_> = can_change.then_some("Tick").into_iter().chain(HEAD).collect();
    let mut table = Table::new("users", caption, &head, "There are no such accounts.");
    let ticked = |name: &str| can_change.then(|| tick(name));
    let mut rows: Vec<(String, Vec<Cell>)> = Vec::new();
    let in_force = asked.web.administration.users.all_in_force(asked.actor()?, &page.accounts).await?;
    for (user, in_force) in page.accounts.iter().zip(&in_force) {
        let cells = row(user, in_force.as_ref());
        rows.push((user.username.clone(), ticked(&user.username).into_iter().chain(cells).collect()));
    }
    for invalid in &page.invalid {
        let cells = vec![
            name_cell(&invalid.username),
            Cell::mark(Tone::Bad, "not valid"),
            Cell::text(problem_of(invalid)),
            Cell::text(""),
            Cell::text(""),
            Cell::text(""),
        ];
        rows.push((invalid.username.clone(), ticked(&invalid.username).into_iter().chain(cells).collect()));
    }
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= request.limit) || asked.actor()?.role.is_some();
    table.rows = rows.into_iter().map(|(_, cells)| cells).collect();
    if let Some(next) = page.next.filter(|_| is_full) {
        let (search, limit) = (prefix.as_deref().unwrap_or_default(), limit.map(|limit| limit.to_string()));
        let fields = [
            ("search", search),
            ("role", filter.role.as_deref().unwrap_or_default()),
            ("group", filter.group.as_deref().unwrap_or_default()),
            ("status", status(filter.enabled)),
            ("qlimit", limit.as_deref().unwrap_or_default()),
            ("after", &next),
        ];
        table.next = Some(address("/web/users", &fields));
    }
    table.bulk = bulk;
    let mut blocks: Vec<_> = done(Kind::User, asked.query.text("done")).into_iter().collect();
    let search = |name: &str, label: &str, value: Option<&str>| {
        Input::new(name, label, value.unwrap_or_default(), InputKind::Search { is_first: false })
    };
    let states = [("", "all"), ("enabled", "enabled"), ("disabled", "disabled")];
    let options = states.map(|(value, text)| (value.to_owned(), text.to_owned())).into();
    let mut controls = vec![search("search", "Search", prefix.as_deref()).about("The beginning of the name.")];
    if asked.actor()?.role.is_none() {
        controls.push(search("role", "Role", filter.role.as_deref()).about("The whole name of the role."));
    }
    controls.push(search("group", "Group", filter.group.as_deref()).about("The whole name of the group."));
    controls.push(Input::new("status", "State", status(filter.enabled), InputKind::Choice { options }));
    let controls = controls.into_iter().map(Control::Input).collect();
    let mut form = Form::search("search-users", "/web/users", controls);
    form.live = "users";
    blocks.push(Block::Form(form));
    if asked.may(UseCase::AddUser) {
        let (text, address) = ("Add a user".to_owned(), "/web/users/new".to_owned());
        blocks.push(Block::Actions(vec![Action { text, address, tone: Tone::Good }]));
    }
    blocks.push(Block::Table(table));
    Ok(asked.page("Users", blocks))
}

/// The accounts that the address asks for, but for the beginning of their names.
fn filter(asked: &Asked) -> Result<AccountFilter, Problem> {
    let [on, off] = [true, false].map(|enabled| status(Some(enabled)));
    let given = asked.query.choice("status", &[on, off])?;
    let enabled = (!given.is_empty()).then_some(given == on);
    Ok(AccountFilter { role: asked.query.given("role"), group: asked.query.given("group"), enabled, contains: None })
}

/// The state as the address has it.
fn status(enabled: Option<bool>) -> &'static str {
    match enabled {
        None => "",
        Some(true) => "enabled",
        Some(false) => "disabled",
    }
}

fn name_cell(name: &str) -> Cell {
    Cell::link(name, address("/web/users/show", &[("name", name)]))
}

/// `in_force`: with what groups give the account; None: a group cannot be used, so that no client logs in to it.
fn row(user: &User, in_force: Option<&EffectiveAccount>) -> Vec<Cell> {
    let state = if user.enabled { Cell::mark(Tone::Good, "enabled") } else { Cell::mark(Tone::Bad, "disabled") };
    let usage = &user.usage;
    let own = (user.quota_size, user.quota_files);
    let (size, files) = in_force.map_or(own, |in_force| (in_force.quota_size, in_force.quota_files));
    let label = |what: &str| format!("{what} of {}", user.username);
    vec![
        name_cell(&user.username),
        state,
        Cell::text(user.home_dir.clone()),
        used(&label("Bytes"), natural(usage.used_quota_size), natural(size), bytes),
        used(&label("Files"), natural(usage.used_quota_files), natural(files), |count| count.to_string()),
        time(user.last_login),
    ]
}
