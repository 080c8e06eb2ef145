//! Lists, a page at a time: after a name, which costs the same for every page, or after a number of objects, as the
//! older server has it.

use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_core::account::OffsetPage;
use tidegate_core::admin::ShownObject;
use tidegate_core::ports::PageRequest;
use url::form_urlencoded;

use super::extract::Query;
use super::route::Route;
use crate::answer::Refusal;

pub const DEFAULT_LIMIT: u32 = 100;
/// The most objects of a page.
pub const MAX_LIMIT: u32 = 500;

/// A wanted page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    After(PageRequest),
    At(OffsetPage),
}

impl Page {
    /// The page that the query asks for.
    ///
    /// # Errors
    /// A parameter is not valid.
    pub fn of(query: &Query) -> Result<Self, Refusal> {
        let limit = query.value::<u32>("limit", "a whole number from 1 to 500")?.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 {
            return Err(Refusal::of_field("limit", "the parameter \"limit\" must be a whole number from 1 to 500"));
        }
        let limit = limit.min(MAX_LIMIT);
        let offset = query.value::<u32>("offset", "a whole number from 0 on")?;
        let descending = descends(query)?.unwrap_or(false);
        let prefix = query.text("prefix").map(str::to_owned);
        match (query.text("after").filter(|after| !after.is_empty()), offset) {
            (Some(_), offset) if offset.is_some() || descending => {
                Err(Refusal::of_field("after", "the parameter \"after\" goes neither with \"offset\" nor with DESC"))
            }
            (after, None) if !descending => {
                Ok(Self::After(PageRequest { after: after.map(str::to_owned), prefix, limit }))
            }
            (_, offset) => {
                let offset = usize::try_from(offset.unwrap_or(0)).unwrap_or(usize::MAX);
                Ok(Self::At(OffsetPage { offset, limit, descending, prefix }))
            }
        }
    }
}

/// Whether the query wants the last first; None: it does not say.
///
/// # Errors
/// The parameter is not valid.
pub fn descends(query: &Query) -> Result<Option<bool>, Refusal> {
    match query.text("order") {
        None | Some("") => Ok(None),
        Some("ASC") => Ok(Some(false)),
        Some("DESC") => Ok(Some(true)),
        Some(_) => Err(Refusal::of_field("order", "the parameter \"order\" must be ASC or DESC")),
    }
}

/// The parameters of lists.
pub fn paged(route: Route) -> Route {
    route
        .query(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32, "default": 100}),
            "The most objects of the page, 500 at most.",
        )
        .query(
            "after",
            json!({"type": "string"}),
            "Only objects whose name comes after this one: the last name of the page before.",
        )
        .query("prefix", json!({"type": "string"}), "Only objects whose name begins with this.")
        .query(
            "offset",
            json!({"type": "integer", "minimum": 0, "maximum": 4294967295_u32}),
            "The number of objects to pass over, of which all names are read; not with after.",
        )
        .query(
            "order",
            json!({"type": "string", "enum": ["ASC", "DESC"]}),
            "The order of the names; DESC not with after.",
        )
}

/// The parameters of lists that the server has in its memory: they are given as a whole, as in the older server, unless a
/// page is asked for.
pub fn partly(route: Route) -> Route {
    route
        .query(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32}),
            "The most objects of the page, 500 at most; without it and after, the list has all of them.",
        )
        .query(
            "after",
            json!({"type": "string"}),
            "Only objects whose id or address comes after this one: the last of the page before.",
        )
        .query("prefix", json!({"type": "string"}), "Only objects whose id or address begins with this.")
}

/// What the query asks for of a list with keys: all of it, in its own order, or a page in the order of the keys, and the
/// last key of that; None: nothing was found behind it. Keys stay where objects come and go: no page has an object twice,
/// or passes over one.
///
/// # Errors
/// A parameter is not valid.
pub fn part(query: &Query, mut found: Vec<(String, Value)>) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let page = Page::of(query)?;
    let Page::After(request) = &page else {
        return Err(Refusal::of_field("offset", "this list has pages after an id only"));
    };
    let prefix = request.prefix.as_deref().unwrap_or_default();
    found.retain(|(key, _)| key.starts_with(prefix));
    let is_given = |name: &str| query.text(name).is_some_and(|text| !text.is_empty());
    if !is_given("limit") && !is_given("after") {
        return Ok((found.into_iter().map(|(_, document)| document).collect(), None));
    }
    found.retain(|(key, _)| request.after.as_ref().is_none_or(|after| key > after));
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(cut(&page, found))
}

/// Objects with the texts that a field of them has.
pub fn keyed(found: impl IntoIterator<Item = Value>, field: &str) -> Vec<(String, Value)> {
    let key = |object: &Value| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    found.into_iter().map(|object| (key(&object), object)).collect()
}

/// What asks for a page and for one object behind it, by which it is known that there is a next page.
pub fn and_one(request: &PageRequest) -> PageRequest {
    PageRequest { limit: request.limit.saturating_add(1), ..request.clone() }
}

/// What is on the page, of objects with their names, and the last name of it; None: nothing was found behind it.
pub fn cut(page: &Page, mut found: Vec<(String, Value)>) -> (Vec<Value>, Option<String>) {
    let mut next = None;
    if let Page::After(request) = page {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let has_more = found.len() > limit;
        found.truncate(limit);
        next = found.last().filter(|_| has_more).map(|(name, _)| name.clone());
    }
    (found.into_iter().map(|(_, document)| document).collect(), next)
}

/// The documents with their names, which the field has.
pub fn named(found: Vec<ShownObject>, field: &str) -> Vec<(String, Value)> {
    let name = |object: &ShownObject| object.document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    found.into_iter().map(|object| (name(&object), Value::Object(object.document))).collect()
}

/// A list, with a link to the next page (RFC 8288), which begins after the name `next`; None: there is none.
pub fn list(uri: &Uri, items: &[Value], next: Option<String>) -> Response {
    linked(crate::answer::json(&items), uri, next)
}

/// An answer that has a list, with a link as of [`list`].
pub fn linked(mut response: Response, uri: &Uri, next: Option<String>) -> Response {
    if let Some(next) = next {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let given = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        query.extend_pairs(given.filter(|(name, _)| name != "after"));
        query.append_pair("after", &next);
        let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
        if let Ok(value) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, value);
        }
    }
    response
}
