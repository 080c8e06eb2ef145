//! Lists of groups, folders, roles and administrators.

use axum::response::Response;
use serde_json::Value;
use tidegate_core::ports::PageRequest;

use super::Kind;
use super::bulk::{bulk, tick};
use super::kind::Stored;
use super::users::done;
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::text::{bytes, natural, time};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Table, Tone};

/// Objects of a page.
const LIMIT: u32 = 100;

pub async fn show(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let search = asked.query.given("search");
    let request = PageRequest { after: asked.query.exact("after"), prefix: search.clone(), limit: LIMIT };
    let found = kind.list(&asked.web.administration, asked.actor()?, request).await?;
    let head: &[&'static str] = match kind {
        Kind::User | Kind::Group | Kind::Role => &["Name", "Description", "Problem"],
        Kind::Folder => &["Name", "Directory", "Used", "Files", "Problem"],
        Kind::Admin => &["Name", "State", "Permissions", "Role", "Last login", "Problem"],
    };
    let mut table = Table::new("objects", format!("{}; times are in UTC", kind.title()), head, "There are none.");
    table.next = found.last().filter(|_| found.len() >= LIMIT as usize).map(|last| {
        let (search, last) = (search.as_deref().unwrap_or_default(), kind.name_of(&last.document));
        address(kind.path(), &[("search", search), ("after", &last)])
    });
    table.bulk = bulk(kind, &asked);
    table.rows = found.iter().map(|stored| row(kind, stored)).collect();
    if table.bulk.is_some() {
        table.head.insert(0, "Tick");
        for (row, stored) in table.rows.iter_mut().zip(&found) {
            row.insert(0, tick(&kind.name_of(&stored.document)));
        }
    }
    let mut blocks: Vec<_> = done(kind, asked.query.text("done")).into_iter().collect();
    let input =
        Input::new("search", "Search", search.as_deref().unwrap_or_default(), InputKind::Search { is_first: false });
    let mut form =
        Form::search("search-objects", kind.path(), vec![Control::Input(input.about("The beginning of the name."))]);
    form.live = "objects";
    blocks.push(Block::Form(form));
    if asked.may(kind.cases().add) {
        let article = if kind == Kind::Admin { "an" } else { "a" };
        let text = format!("Add {article} {}", kind.noun());
        let address = format!("{}/new", kind.path());
        blocks.push(Block::Actions(vec![Action { text, address, tone: Tone::Good }]));
    }
    blocks.push(Block::Table(table));
    Ok(asked.page(kind.title(), blocks))
}

fn row(kind: Kind, stored: &Stored) -> Vec<Cell> {
    let text = |field: &str| stored.document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |field: &str| stored.document.get(field).and_then(Value::as_i64).unwrap_or(0);
    let name = kind.name_of(&stored.document);
    let mut cells = vec![Cell::link(name.clone(), address(&format!("{}/show", kind.path()), &[("name", &name)]))];
    match kind {
        Kind::User | Kind::Group | Kind::Role => cells.push(Cell::text(text("description"))),
        Kind::Folder => cells.extend([
            Cell::text(text("mapped_path")),
            Cell::Number(bytes(natural(number("used_quota_size")))),
            Cell::Number(number("used_quota_files").to_string()),
        ]),
        Kind::Admin => {
            let is_on = number("status") == 1;
            let permissions = stored.document.get("permissions").and_then(Value::as_array).cloned().unwrap_or_default();
            let names: Vec<_> = permissions.iter().filter_map(Value::as_str).collect();
            cells.extend([
                if is_on { Cell::mark(Tone::Good, "enabled") } else { Cell::mark(Tone::Bad, "disabled") },
                Cell::text(names.join(", ")),
                Cell::text(text("role")),
                time(number("last_login")),
            ]);
        }
    }
    cells.push(match &stored.problem {
        Some(problem) => Cell::mark(Tone::Bad, problem.clone()),
        None => Cell::text(""),
    });
    cells
}
