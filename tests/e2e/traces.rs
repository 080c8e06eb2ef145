//! Traces, as a collector of OpenTelemetry gets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::Value;
use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

use crate::logins::round_trip;
use crate::rest_examples::administrator;

/// One HTTP request: its head, in lower case, and its body.
type Request = (String, Vec<u8>);

/// A web server that answers each request with this body.
fn web_server(answer: String) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).unwrap();
            let _ = sender.send((head, body));
            let length = answer.len();
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
            );
        }
    });
    (url, requests)
}

fn spans(exports: &Receiver<Request>) -> Vec<Span> {
    let mut spans = Vec::new();
    for (head, body) in exports.try_iter() {
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let export = ExportTraceServiceRequest::decode(&*body).unwrap();
        let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    spans
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one span that has these attributes.
fn only<'a>(spans: &'a [Span], name: &str, attributes: &[(&str, &str)]) -> &'a Span {
    let matches =
        |span: &&Span| span.name == name && attributes.iter().all(|(key, expected)| attribute(span, key) == *expected);
    let found: Vec<&Span> = spans.iter().filter(matches).collect();
    assert_eq!(found.len(), 1, "{name} {attributes:?}: {spans:#?}");
    found[0]
}

#[test]
fn a_login_with_its_hooks_is_one_trace() {
    // G-11
    let (endpoint, exports) = web_server(String::new());
    let home = tempfile::tempdir().unwrap();
    let answer = format!(
        r#"{{"status":1,"username":"alice","home_dir":"{}","permissions":{{"/":["*"]}}}}"#,
        home.path().display()
    );
    let (hook, asked) = web_server(answer);
    let site = Site::new().config(&format!(
        "[tracing]\notlp_endpoint = \"{endpoint}\"\n[data_provider]\nexternal_auth_hook = \"{hook}/auth\"\n"
    ));
    let server = site.start();
    round_trip(&server, "alice", Proof::Password("pw"));
    // What is left is sent before the server ends.
    assert!(server.terminate().success());

    let spans = spans(&exports);
    let login = only(&spans, "login", &[("username", "alice"), ("outcome", "accepted"), ("method", "password")]);
    assert!(login.parent_span_id.is_empty() && attribute(login, "client.address") == "127.0.0.1", "{login:?}");
    let of_login: Vec<Span> = spans.iter().filter(|span| span.trace_id == login.trace_id).cloned().collect();
    let hook = only(&of_login, "hook", &[("kind", "external-auth")]);
    assert_eq!(hook.parent_span_id, login.span_id);
    let link = only(&of_login, "link", &[("kind", "external-auth"), ("adapter", "http"), ("outcome", "accept")]);
    assert_eq!(link.parent_span_id, hook.span_id);
    let (head, _) = asked.recv().unwrap();
    let parent = format!("traceparent: 00-{}-{}-01\r\n", hex(&link.trace_id), hex(&link.span_id));
    assert!(head.contains(&parent), "{head} {parent}");

    // Files: the transfer begins where the file is opened, and lasts longer.
    let upload = spans.iter().find(|span| span.name == "upload").unwrap();
    let open = spans.iter().find(|span| span.span_id == upload.parent_span_id).unwrap();
    assert_eq!((open.name.as_str(), &open.trace_id), ("open", &upload.trace_id));
    assert!(attribute(upload, "path").starts_with("/tree/"), "{upload:?}");
    assert!(spans.iter().any(|span| span.name == "mkdir" && attribute(span, "path") == "/tree"), "{spans:#?}");

    // The record of the call names the trace.
    let runs = tools::run_ok(&mut site.tidegate(&["hook", "runs", "--json"]));
    let mut runs = runs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let run = runs.find(|run| run["kind"] == "external-auth").unwrap();
    assert_eq!(run["trace"], hex(&login.trace_id));
}

#[test]
fn a_login_over_http_with_its_hook_is_one_trace() {
    // G-11
    let (endpoint, exports) = web_server(String::new());
    let site = Site::new();
    let hook = site.script("pre.sh", "#!/bin/sh\nexit 0\n");
    let site = site.config(&format!(
        "[tracing]\notlp_endpoint = \"{endpoint}\"\n[hook.login-pre]\nhook = \"{}\"\n",
        hook.display()
    ));
    site.user("alice");
    administrator(&site, "root", "a-long-password");
    let server = site.start();
    let made = tools::run_ok(&mut site.tidegate(&["login-link", "add", "--username", "alice", "--json"]));
    let made: Value = serde_json::from_str(&made).unwrap();
    let redeem = serde_json::json!({"code": made["code"]}).to_string();
    let status = |arguments: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]).args(arguments);
        tools::run_ok(curl.arg(format!("http://127.0.0.1:{}/api/{path}", server.http_port)))
    };
    assert_eq!(status(&["--user", "root:a-long-password"], "v2/token"), "200");
    assert_eq!(status(&["--user", "nobody:wrong"], "v2/token"), "401");
    assert_eq!(status(&["--user", "old:wrong"], "v1/user"), "401");
    assert_eq!(status(&["--data", &redeem], "v2/user/token"), "200");
    assert!(server.terminate().success());

    let spans = spans(&exports);
    for (username, method, outcome) in [
        ("root", "password", "accepted"),
        ("nobody", "password", "denied"),
        ("old", "password", "denied"),
        ("alice", "login-link", "accepted"),
    ] {
        let login = only(&spans, "login", &[("username", username), ("method", method), ("outcome", outcome)]);
        assert!(login.parent_span_id.is_empty() && attribute(login, "client.address") == "127.0.0.1", "{login:?}");
        assert_eq!(attribute(login, "door"), "rest", "{login:?}");
        let of_login: Vec<Span> = spans.iter().filter(|span| span.trace_id == login.trace_id).cloned().collect();
        let hook = only(&of_login, "hook", &[("kind", "login-pre")]);
        assert_eq!(hook.parent_span_id, login.span_id);
        let link = only(&of_login, "link", &[("kind", "login-pre"), ("adapter", "program"), ("outcome", "allow")]);
        assert_eq!(link.parent_span_id, hook.span_id);
    }
}

#[test]
fn a_collector_that_is_away_or_hangs_delays_nothing() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [hanging.local_addr().unwrap(), away] {
        let site = Site::new().config(&format!("[tracing]\notlp_endpoint = \"http://{address}\"\n"));
        site.user("alice");
        let server = site.start();
        assert!(can_log_in(&server, "alice", Proof::Password("pw")));
        let before = std::time::Instant::now();
        assert!(server.terminate().success());
        assert!(before.elapsed().as_secs() < 9, "it waited for the collector: {:?}", before.elapsed());
    }
}
