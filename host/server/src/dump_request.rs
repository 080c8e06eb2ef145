//! The request that loads a dump, made while it is sent: a dump of any size is in memory a part at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tidegate_core::dump_text::{DumpText, kinds_in_order, list_of};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use crate::dump_text::document;

/// Parts that wait to be sent.
const WAITING: usize = 2;

/// What a load does with the documents of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadRules {
    /// Only say what would change.
    pub dry_run: bool,
    /// This server has made the dump.
    pub restores: bool,
    /// Documents that are not valid stay behind.
    pub skips_invalid: bool,
}

/// The body of the request.
pub struct DumpBody(Receiver<std::io::Result<Bytes>>);

impl Body for DumpBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// Begins to make a request of the documents that can be read; the others stay behind. The task ends when all was taken,
/// or when the body is dropped.
pub fn begin(dump: Arc<DumpText>, rules: LoadRules) -> (DumpBody, JoinHandle<anyhow::Result<()>>) {
    let (sender, receiver) = channel(WAITING);
    let making = tokio::task::spawn_blocking(move || {
        let made = make(&dump, rules, |text| sender.blocking_send(Ok(Bytes::from(text))).is_ok());
        if let Err(error) = &made {
            // So that the server does not take what is there for the whole. Without a taker there is nothing to end.
            drop(sender.blocking_send(Err(std::io::Error::other(format!("{error:#}")))));
        }
        made
    });
    (DumpBody(receiver), making)
}

/// Makes the text of a [`LoadDump`](tidegate_api_types::LoadDump). `send`: whether more is wanted.
fn make(dump: &DumpText, rules: LoadRules, mut send: impl FnMut(Vec<u8>) -> bool) -> anyhow::Result<()> {
    let LoadRules { dry_run, restores, skips_invalid } = rules;
    let begin = format!(r#"{{"dry_run":{dry_run},"restores":{restores},"skips_invalid":{skips_invalid}"#);
    let mut text = begin.into_bytes();
    for kind in kinds_in_order() {
        text.extend_from_slice(format!(",\"{}\":[", list_of(kind)).as_bytes());
        if let Some(mut entries) = dump.entries(list_of(kind))? {
            let mut is_first = true;
            loop {
                let part = entries.part()?;
                if part.is_empty() {
                    break;
                }
                for (_, document) in part.into_iter().filter_map(|entry| document(kind, entry).ok()) {
                    if !is_first {
                        text.push(b',');
                    }
                    is_first = false;
                    serde_json::to_writer(&mut text, &document)?;
                }
                if !text.is_empty() && !send(std::mem::take(&mut text)) {
                    return Ok(());
                }
            }
        }
        text.push(b']');
    }
    text.push(b'}');
    send(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tidegate_api_types::LoadDump;
    use tidegate_core::ports::TextInMemory;

    use super::*;

    fn dump(document: &Value) -> Arc<DumpText> {
        let text = TextInMemory::from(document.to_string().into_bytes());
        Arc::new(DumpText::read(Arc::new(text)).unwrap())
    }

    #[tokio::test]
    async fn the_request_has_the_documents_that_can_be_read() {
        // A18-11
        let check = async |document: Value, rules: LoadRules, expected: Value| {
            let (body, making) = begin(dump(&document), rules);
            let sent = body.collect().await.unwrap().to_bytes();
            making.await.unwrap().unwrap();
            let sent: LoadDump = serde_json::from_slice(&sent).unwrap();
            let expected: LoadDump = serde_json::from_value(expected).unwrap();
            assert!(sent == expected, "{document}: {sent:?}");
        };
        let rules = |dry_run, restores, skips_invalid| LoadRules { dry_run, restores, skips_invalid };
        let none = rules(false, false, false);
        check(json!({"users": []}), none, json!({})).await;
        check(json!({"users": null, "groups": []}), rules(true, false, false), json!({"dry_run": true})).await;
        let lists = json!({
            "users": [{"username": "u", "home_dir": "/srv/\"u\""}, {"username": "v"}],
            "folders": [{"name": "f"}], "groups": [{"name": "g"}], "roles": [{"name": "r"}, {"name": "s"}],
        });
        check(lists.clone(), none, lists.clone()).await;
        let mut restored = lists.clone();
        restored["restores"] = json!(true);
        restored["skips_invalid"] = json!(true);
        check(lists, rules(false, true, true), restored).await;
        // What the request has no place for, and what is no document.
        check(
            json!({"made_by": "x", "admins": [{}], "users": [7, {"username": "u"}, {"name": "n"}], "roles": [[]]}),
            none,
            json!({"users": [{"username": "u"}]}),
        )
        .await;
        // More than one part.
        let users: Vec<Value> = (0..1201).map(|number| json!({"username": format!("u{number}")})).collect();
        check(json!({"users": users}), none, json!({"users": users})).await;
    }

    #[tokio::test]
    async fn a_request_that_nobody_takes_ends() {
        let users: Vec<Value> = (0..5000).map(|number| json!({"username": format!("u{number}")})).collect();
        let rules = LoadRules { dry_run: false, restores: false, skips_invalid: false };
        let (mut body, making) = begin(dump(&json!({ "users": users })), rules);
        assert!(body.frame().await.unwrap().unwrap().is_data());
        drop(body);
        making.await.unwrap().unwrap();
    }
}
