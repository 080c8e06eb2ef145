//! A web server that answers as the contract says: what is asked about is somewhere in the
//! query or the body.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as far as the server needs it.
struct Request {
    target: String,
    body: Vec<u8>,
}

/// `home`: of the accounts in its answers. Serves on a free port; `http://…/KIND` is the hook of that kind.
pub async fn serve(home: &str) -> std::io::Result<String> {
    let home: Arc<str> = home.into();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(connection(stream, home.clone()));
        }
    });
    Ok(url)
}

async fn connection(stream: TcpStream, home: Arc<str>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let (status, body) = answer(&request, &home).await;
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { target, body }))
}

async fn answer(request: &Request, home: &str) -> (u16, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let kind = path.trim_start_matches('/');
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let what = about(&body, query);
    match what.as_str() {
        "fail" => return (500, String::new()),
        // The connection ends without an answer, as a crash would end it.
        "trap" => return (599, String::new()),
        "loop" => std::future::pending().await,
        "garbage" => return (200, "{\"username\":".to_owned()),
        "endless" => return (200, "x".repeat(2 << 20)),
        _ => {}
    }
    let user = json!({"status": 1, "username": what, "home_dir": home, "permissions": {"/": ["*"]}});
    match (kind, what.as_str()) {
        ("external-auth", "deny") => (200, json!({"username": ""}).to_string()),
        ("external-auth", "empty") | ("pre-login", "empty" | "unchanged") => (200, String::new()),
        ("external-auth", _) => (200, user.to_string()),
        ("pre-login", "replace") => (200, user.to_string()),
        ("pre-login", _) => (204, String::new()),
        ("check-password", "deny") => (200, json!({"status": 0}).to_string()),
        ("check-password", "verify") => (200, json!({"status": 2, "to_verify": "other"}).to_string()),
        ("check-password", "empty") => (200, String::new()),
        ("check-password", _) => (200, json!({"status": 1}).to_string()),
        ("keyboard-interactive", _) => (200, converse(&body, &what).to_string()),
        (_, "deny") => (403, "the contract says no".to_owned()),
        _ => (200, String::new()),
    }
}

fn converse(body: &Value, what: &str) -> Value {
    match body.get("step").and_then(Value::as_i64) {
        _ if what == "mismatch" => json!({"questions": ["one"], "echos": []}),
        Some(1) if what == "deny" => json!({"auth_result": -1}),
        Some(1) => json!({"instruction": "the contract asks", "questions": ["one", "two"], "echos": [true, true]}),
        Some(2) if body.get("answers") == Some(&json!(["1", "2"])) => json!({"questions": ["three"], "echos": [true]}),
        Some(3) if body.get("answers") == Some(&json!(["3"])) => json!({"auth_result": 1}),
        _ => json!({"auth_result": -1}),
    }
}

/// The name that the event is about.
fn about(body: &Value, query: &str) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("ip="));
    let by_path = text("virtual_path").and_then(|path| path.rsplit('/').next());
    if let Some(what) = by_path.or_else(|| text("username")) {
        return what.to_owned();
    }
    let by_address = match in_query.or_else(|| text("ip")) {
        Some("192.0.2.2") => "deny",
        Some("192.0.2.3") => "fail",
        Some("192.0.2.4") => "trap",
        Some("192.0.2.5") => "loop",
        _ => "allow",
    };
    by_address.to_owned()
}
