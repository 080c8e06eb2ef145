//! A whole page: its blocks in the frame that all pages have.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::assets::ASSETS;
use crate::navigation::{self, Entry};
use crate::request::Visitor;
use crate::view::{Block, Rendered};
use crate::visible::visible;

/// What surrounds the blocks of a page.
pub struct Page {
    pub status: StatusCode,
    pub title: String,
    pub blocks: Vec<Block>,
}

/// The menu, and the administrator or user that has logged in.
pub struct Frame<'a> {
    pub entries: Vec<Entry>,
    /// The name of the administrator or the user; empty: before the log-in.
    pub name: &'a str,
    /// The first page.
    pub home: &'static str,
    /// The page of one's own account.
    pub own: &'static str,
    pub log_out: &'static str,
}

#[derive(Template)]
#[template(path = "layout.html")]
struct Layout<'a> {
    title: &'a str,
    version: &'a str,
    style: String,
    script: Option<String>,
    icon: String,
    frame: Frame<'a>,
    body: &'a str,
}

impl Page {
    pub fn new(title: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self { status: StatusCode::OK, title: title.into(), blocks }
    }

    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The page for an administrator, or before the log-in. `path`: of the request.
    pub fn answer(self, visitor: Option<&Visitor>, path: &str, version: &str) -> Response {
        let entries = visitor.map(|visitor| navigation::entries(&visitor.actor, path)).unwrap_or_default();
        let name = visitor.map(|visitor| visitor.actor.author.name.as_str()).unwrap_or_default();
        let frame = Frame { entries, name, home: "/web", own: "/web/account", log_out: "/web/logout" };
        self.answer_in(frame, version)
    }

    /// The page in that frame.
    pub fn answer_in(self, frame: Frame<'_>, version: &str) -> Response {
        let body = Rendered::blocks(&self.blocks);
        let layout = Layout {
            title: &self.title,
            version,
            style: ASSETS.style.path(),
            script: self.blocks.iter().any(Block::has_script).then(|| ASSETS.script.path()),
            icon: ASSETS.icon.path(),
            frame,
            body: body.html(),
        };
        match layout.render() {
            Ok(text) => (self.status, Html(visible(text))).into_response(),
            Err(error) => {
                tracing::error!(sender = "web", message = format!("a page could not be made: {error}"));
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
