//! What pages are made of. A page is a list of blocks, each with a template of its own, which escapes all texts: no page
//! writes HTML.

use askama::Template;

use crate::visible::visible;

/// A part of a page.
pub enum Block {
    Text(String),
    /// A message, shown with its kind.
    Note(Tone, String),
    Heading(String),
    /// Names with values.
    Facts(Vec<(String, Cell)>),
    Table(Table),
    Form(Form),
    /// Links that look like buttons.
    Actions(Vec<Action>),
    /// A text that is unfolded.
    Fold {
        summary: String,
        text: String,
    },
    /// Blocks that the page asks for again while it is open.
    Live {
        id: &'static str,
        address: String,
        inner: Rendered,
    },
    /// Links to the views of one thing.
    Tabs(Vec<Tab>),
    /// The steps of something, in their order.
    Steps(Vec<Step>),
    Plots(Vec<Plot>),
}

impl Block {
    /// Whether it does something by script. Forms send and links lead without it.
    pub fn has_script(&self) -> bool {
        match self {
            Self::Live { .. } => true,
            Self::Form(form) => !form.live.is_empty(),
            Self::Table(table) => table.bulk.is_some(),
            _ => false,
        }
    }
}

/// How a message or a mark is meant; words always say it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
}

impl Tone {
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// A value in a table or beside a name.
pub enum Cell {
    Text(String),
    Number(String),
    Code(String),
    Link {
        text: String,
        address: String,
    },
    Mark(Tone, String),
    Time(Moment),
    /// `share`: thousandths.
    Bar {
        label: String,
        share: u64,
        text: String,
    },
    Lines(Vec<String>),
    /// A QR code: `size` modules with the room around it, and the dark ones as an SVG path.
    Qr {
        label: String,
        size: usize,
        path: String,
    },
    /// Transfers under way, with bars where it is known how much there is to move.
    Transfers(Vec<Running>),
    Buttons(Vec<Button>),
    Check {
        name: &'static str,
        value: String,
        label: String,
    },
}

/// A transfer under way. `share`: thousandths of the whole, where that is known.
pub struct Running {
    pub path: String,
    pub text: String,
    pub share: Option<u64>,
}

/// A time for people and for programs; in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub machine: String,
    pub text: String,
}

pub struct Table {
    pub id: String,
    pub caption: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
    /// Names of the rows, where the page asks for the table again: what has not changed then stays as it is.
    pub ids: Vec<String>,
    /// The text where there are no rows.
    pub empty: &'static str,
    /// A form around the table, for what is done with the rows that are ticked.
    pub bulk: Option<Bulk>,
    /// The address of the next page.
    pub next: Option<String>,
}

pub struct Bulk {
    pub address: String,
    pub actions: Vec<(&'static str, &'static str)>,
}

/// A link that looks like a button.
pub struct Action {
    pub text: String,
    pub address: String,
    pub tone: Tone,
}

/// A button that asks the server to do something.
pub struct Button {
    pub id: String,
    pub text: &'static str,
    /// What it is done to: a screen reader says this after the text, so that the name begins with what is seen (WCAG
    /// 2.5.3).
    pub of: String,
    pub address: String,
    pub hidden: Vec<(&'static str, String)>,
    pub tone: Tone,
}

pub struct Tab {
    pub text: &'static str,
    pub address: String,
    pub is_current: bool,
}

pub struct Step {
    pub title: String,
    pub tone: Tone,
    pub verdict: String,
    pub facts: Vec<(String, Cell)>,
    pub folds: Vec<(&'static str, String)>,
    pub links: Vec<Action>,
}

/// Lines over a span of time, with the same numbers as a table.
pub struct Plot {
    pub id: String,
    pub title: String,
    /// A description of the plot in words.
    pub about: String,
    pub lines: Vec<Line>,
    /// The value at the top.
    pub most: String,
    /// The times at both ends.
    pub range: Option<(String, String)>,
    pub table: Rendered,
}

pub struct Line {
    pub name: &'static str,
    pub class: &'static str,
    pub newest: String,
    /// Points of SVG polylines.
    pub parts: Vec<String>,
}

pub struct Form {
    pub id: &'static str,
    pub address: String,
    /// Whether the fields are part of the address, for searches.
    pub is_search: bool,
    /// Whether a file is sent, so that the form is sent in parts.
    pub has_file: bool,
    /// The element that is replaced by that of the answer as the fields change; empty: none.
    pub live: &'static str,
    /// Another button, and where it sends the fields.
    pub also: Option<(&'static str, &'static str)>,
    pub hidden: Vec<(&'static str, String)>,
    pub controls: Vec<Control>,
    pub buttons: Vec<Submit>,
}

pub struct Submit {
    pub name: &'static str,
    pub value: &'static str,
    pub text: String,
    pub tone: Tone,
}

/// An input with its label, or a group of them.
pub enum Control {
    Input(Input),
    Group { id: String, legend: String, about: String, is_folded: bool, is_open: bool, inner: Rendered },
}

pub struct Input {
    pub id: String,
    pub name: String,
    pub label: String,
    pub about: String,
    pub value: String,
    pub error: Option<String>,
    pub kind: InputKind,
}

pub enum InputKind {
    Text {
        complete: &'static str,
        is_needed: bool,
        is_first: bool,
    },
    Search {
        /// Whether it has the keyboard's focus from the beginning.
        is_first: bool,
    },
    Password {
        complete: &'static str,
        is_needed: bool,
    },
    Number {
        min: String,
        max: String,
    },
    Check {
        is_on: bool,
    },
    Area {
        rows: usize,
    },
    Choice {
        options: Vec<(String, String)>,
    },
    /// Several of these.
    Several {
        options: Vec<(String, bool)>,
    },
    File,
    Fixed,
}

/// HTML that a template has made.
pub struct Rendered(String);

#[derive(Template)]
#[template(path = "blocks.html")]
struct Blocks<'a> {
    blocks: &'a [Block],
}

#[derive(Template)]
#[template(path = "controls.html")]
struct Controls<'a> {
    controls: &'a [Control],
}

impl Rendered {
    pub fn blocks(blocks: &[Block]) -> Self {
        Self::of(&Blocks { blocks })
    }

    pub fn controls(controls: &[Control]) -> Self {
        Self::of(&Controls { controls })
    }

    fn of(template: &impl Template) -> Self {
        // Templates fail only where a value's own text fails, and all values are texts.
        Self(visible(template.render().unwrap_or_default()))
    }

    pub fn html(&self) -> &str {
        &self.0
    }
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn link(text: impl Into<String>, address: impl Into<String>) -> Self {
        Self::Link { text: text.into(), address: address.into() }
    }

    pub fn mark(tone: Tone, text: impl Into<String>) -> Self {
        Self::Mark(tone, text.into())
    }
}

impl Table {
    pub fn new(id: impl Into<String>, caption: impl Into<String>, head: &[&'static str], empty: &'static str) -> Self {
        let (id, caption, head) = (id.into(), caption.into(), head.to_vec());
        Self { id, caption, head, rows: Vec::new(), ids: Vec::new(), empty, bulk: None, next: None }
    }

    /// The rows, with their names where they have some.
    fn named_rows(&self) -> impl Iterator<Item = (Option<&String>, &Vec<Cell>)> {
        let names = self.ids.iter().map(Some).chain(std::iter::repeat(None));
        names.zip(&self.rows)
    }
}

impl Form {
    /// A form that asks the server to do something.
    pub fn post(id: &'static str, address: impl Into<String>, controls: Vec<Control>, button: &str) -> Self {
        let buttons = vec![Submit { name: "", value: "", text: button.to_owned(), tone: Tone::Good }];
        Self {
            id,
            address: address.into(),
            is_search: false,
            has_file: false,
            live: "",
            also: None,
            hidden: Vec::new(),
            controls,
            buttons,
        }
    }

    /// A form whose fields select what a page shows.
    pub fn search(id: &'static str, address: impl Into<String>, controls: Vec<Control>) -> Self {
        let buttons = vec![Submit { name: "", value: "", text: "Search".to_owned(), tone: Tone::Plain }];
        Self {
            id,
            address: address.into(),
            is_search: true,
            has_file: false,
            live: "",
            also: None,
            hidden: Vec::new(),
            controls,
            buttons,
        }
    }
}

impl Input {
    pub fn new(name: &str, label: &str, value: &str, kind: InputKind) -> Self {
        Self {
            id: name.replace(['.', '_'], "-"),
            name: name.to_owned(),
            label: label.to_owned(),
            about: String::new(),
            value: value.to_owned(),
            error: None,
            kind,
        }
    }

    pub fn about(self, about: &str) -> Self {
        Self { about: about.to_owned(), ..self }
    }

    /// A text that need not be given.
    pub fn text(name: &str, label: &str, value: &str) -> Self {
        let kind = InputKind::Text { complete: "off", is_needed: false, is_first: false };
        Self::new(name, label, value, kind)
    }
}
