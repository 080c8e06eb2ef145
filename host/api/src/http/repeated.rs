//! Answers that are given again. Pages that stay open ask for the same part all the time: to the same question, byte for byte,
//! the same answer is given for a moment, without looking at the credentials, and without making anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, IF_NONE_MATCH, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use tidegate_core::metrics::Metrics;
use tokio::time::Instant;

use super::requests::{Line, NUMBER, next_number};
use super::{API_KEY, Client};

/// Answers that are kept.
const KEPT: usize = 512;
/// Bytes of a question whose answer is kept.
const LONGEST: usize = 4 << 10;
/// Bytes of all questions and bodies that are kept.
const MOST: usize = 16 << 20;

/// Among the extensions of an answer: who asks the same in the same way gets the same, until a time that the door chooses.
#[derive(Debug, Clone)]
pub struct Repeatable {
    /// When the answer has to be made anew.
    pub until: Instant,
    /// The tag of the body, by which who has it is not sent it again.
    pub tag: HeaderValue,
    /// Headers that an answer without the body lacks.
    pub about_body: Vec<(HeaderName, HeaderValue)>,
    /// The body, which the answer itself lacks if who asked has it.
    pub body: Bytes,
}

/// Among the extensions of the answer to a GET that may have changed something, as those of the older interfaces do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed;

/// The answers that were given last on all bindings.
#[derive(Default)]
pub struct Repeated(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    /// Counts the changes after which all answers are made anew.
    changes: u64,
    known: HashMap<Vec<u8>, Answer>,
}

struct Answer {
    headers: HeaderMap,
    part: Repeatable,
}

/// What a binding does with answers that can be given again.
#[derive(Clone)]
pub(crate) struct Repeats {
    pub repeated: Arc<Repeated>,
    /// Counts the requests.
    pub metrics: Arc<Metrics>,
    /// The number of the site: each may have other pages.
    pub site: u64,
}

/// What is known of a request.
pub(super) enum Look {
    Known(Box<Response>),
    New(Afterwards),
}

/// What is done when a request was answered.
pub(super) enum Afterwards {
    Nothing,
    Keep(Question),
    /// It may have changed what others are shown, or may see.
    Forget,
}

/// A request that the router looks at. A client that leaves ends its request, whose change may have been made: one that is
/// dropped before it was answered counts as a change.
pub(super) struct Pending {
    repeats: Repeats,
    /// None: it was answered.
    afterwards: Option<Afterwards>,
}

/// All of a request that an answer may depend on, credentials as well: it has no form for logs.
pub(super) struct Question {
    text: Vec<u8>,
    /// The changes that there were when it was asked.
    changes: u64,
}

impl Repeats {
    /// Answers the request if it was answered a moment ago, and counts and logs it then.
    pub(super) fn look<B>(&self, request: &Request<B>, client: &Client) -> Look {
        match *request.method() {
            Method::GET => {}
            Method::HEAD | Method::OPTIONS => return Look::New(Afterwards::Nothing),
            _ => return Look::New(Afterwards::Forget),
        }
        // Programs, which are not shown parts of pages.
        if request.headers().contains_key(API_KEY) || request.headers().contains_key(AUTHORIZATION) {
            return Look::New(Afterwards::Nothing);
        }
        let text = text_of(self.site, request, client);
        if text.len() > LONGEST {
            return Look::New(Afterwards::Nothing);
        }
        match self.repeated.answer(text, request.headers()) {
            Ok(mut response) => {
                self.count(request, client, &mut response);
                Look::Known(Box::new(response))
            }
            Err(question) => Look::New(Afterwards::Keep(question)),
        }
    }

    fn count<B>(&self, request: &Request<B>, client: &Client, response: &mut Response) {
        let (line, number) = (Line::of(request, Some(client)), next_number());
        let size = response.body().size_hint().lower();
        self.metrics.http_request(response.status().as_u16());
        line.write(response.status().as_u16(), size, &number);
        response.headers_mut().extend(HeaderValue::from_str(&number).ok().map(|number| (NUMBER, number)));
    }

    /// Waits for the answer.
    pub(super) fn pending(self, afterwards: Afterwards) -> Pending {
        Pending { repeats: self, afterwards: Some(afterwards) }
    }
}

impl Pending {
    /// Does what is to be done with the answer.
    pub(super) fn learn(mut self, response: &mut Response) {
        let repeated = &self.repeats.repeated;
        let has_changed = response.extensions_mut().remove::<Changed>().is_some();
        match self.afterwards.take() {
            Some(Afterwards::Keep(question)) if !has_changed => repeated.keep(question, response),
            Some(Afterwards::Nothing) if !has_changed => {}
            Some(_) | None => repeated.forget(),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.afterwards.is_some() {
            self.repeats.repeated.forget();
        }
    }
}

impl Repeated {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, text: Vec<u8>, headers: &HeaderMap) -> Result<Response, Question> {
        let answers = self.lock();
        let Some(Answer { headers: kept, part }) =
            answers.known.get(&text).filter(|answer| Instant::now() < answer.part.until)
        else {
            return Err(Question { text, changes: answers.changes });
        };
        let has_it = headers.get(IF_NONE_MATCH) == Some(&part.tag);
        let mut response = Response::new(if has_it { Body::empty() } else { Body::from(part.body.clone()) });
        *response.headers_mut() = kept.clone();
        if has_it {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            response.headers_mut().extend(part.about_body.iter().cloned());
        }
        Ok(response)
    }

    fn keep(&self, question: Question, response: &mut Response) {
        let Some(part) = response.extensions_mut().remove::<Repeatable>() else { return };
        let is_plain = matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED);
        if !is_plain || response.headers().contains_key(SET_COOKIE) {
            return;
        }
        let mut headers = response.headers().clone();
        headers.remove(CONTENT_LENGTH);
        headers.remove(NUMBER);
        for (name, _) in &part.about_body {
            headers.remove(name);
        }
        let (mut answers, now) = (self.lock(), Instant::now());
        let mut bytes = question.text.len() + part.body.len();
        answers.known.retain(|text, answer| {
            let is_shown = now < answer.part.until;
            bytes += if is_shown { text.len() + answer.part.body.len() } else { 0 };
            is_shown
        });
        if answers.changes == question.changes && answers.known.len() < KEPT && bytes <= MOST {
            answers.known.insert(question.text, Answer { headers, part });
        }
    }

    fn forget(&self) {
        let mut answers = self.lock();
        answers.changes = answers.changes.wrapping_add(1);
        answers.known.clear();
    }
}

/// The site, the client and the request with all of its headers but the tag of what the client has. Neither addresses nor
/// headers have line feeds (RFC 9110 §5.5).
fn text_of<B>(site: u64, request: &Request<B>, client: &Client) -> Vec<u8> {
    let Client { entrance, address, peer: _, uid, is_encrypted } = client;
    let first = format!("{site} {entrance:?} {address:?} {uid:?} {is_encrypted} {}\n", request.uri());
    let mut text = first.into_bytes();
    for (name, value) in request.headers().iter().filter(|(name, _)| **name != IF_NONE_MATCH) {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
#[path = "repeated_tests.rs"]
mod tests;
