//! Files in the plugin directory that are no good: a clear error, and no gate that opens.

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn bad_files_are_explained_and_close_what_they_may_have_decided() {
    // G-01
    let site = Site::new();
    site.user("alice");
    for (name, content, expected) in [
        ("text", &b"hello, I am no component"[..], "not WebAssembly"),
        ("empty", b"", "not WebAssembly"),
        ("core", b"\0asm\x01\0\0\0", "wasm-tools component new"),
        ("future", b"\0asm\x63\0\x07\0", "does not know"),
        ("truncated", b"\0asm\x0d\0\x01\0\xff\xff\xff", "cannot be compiled"),
        ("nothing", b"\0asm\x0d\0\x01\0", "exports no hook"),
        ("bad name", b"\0asm\x0d\0\x01\0", "letters, digits"),
    ] {
        let path = site.write(&format!("plugins/{name}.wasm"), content);
        let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
        assert!(listed.contains(expected) && listed.contains("refused meanwhile: connect"), "{name}: {listed}");
        let server = site.start();
        assert!(!can_log_in(&server, "alice", PASSWORD), "{name}");
        assert!(server.log().contains("was not loaded"), "{name}");
        // It never decided anything, so nothing is left of it.
        std::fs::remove_file(path).unwrap();
        server.wait_for_text("was removed");
        assert!(can_log_in(&server, "alice", PASSWORD), "after {name}: {}", server.log());
    }
}

/// Text to binary, by the real assembler.
fn assemble(source: &std::path::Path, target: &std::path::Path) {
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let wasm_tools = tools::cache().join("venv/bin/wasm-tools");
    tools::run_ok(std::process::Command::new(wasm_tools).arg("parse").arg(source).arg("-o").arg(target));
}

#[test]
fn other_exports_are_named() {
    let site = Site::new();
    let wat = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    let source = site.write("other.wat", wat);
    assemble(&source, &site.path("plugins/other.wasm"));
    let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed.contains("it exports wasi:cli/run@0.2.0"), "{listed}");
    // It is whole, and decides nothing.
    assert!(!listed.contains("refused meanwhile"), "{listed}");
    site.user("alice");
    assert!(can_log_in(&site.start(), "alice", PASSWORD));
}

/// With the component that misbehaves in the way that the user name says.
fn hostile_site() -> Site {
    let site = Site::new();
    let settings = "[limits]\ncpu_ms = 1000\nmemory_mib = 16\nlog_lines = 10\n[config]\nlimit = { top = 3 }\n";
    site.plugin("hostile", &tools::guest("hostile"), settings);
    site
}

/// Each call is refused with `expected` in the log, and the next login works.
#[test]
fn a_hostile_component_harms_only_its_own_call() {
    // B0-10b, G-06, H-10
    let site = hostile_site();
    site.user("alice");
    let mut server = site.start();
    for (behaviour, expected) in [
        ("loop", "limits.cpu_ms"),
        ("memory", "limits.memory_mib"),
        ("trap", "unreachable"),
        ("recursion", "out of bounds"),
        ("giant", "hook \"hostile\" failed"),
        ("log-flood", "flooded"),
        ("kv-flood", "the store said Some(KvError::Full)"),
        ("failure", "I could not decide"),
        ("drafts", "more than 16 account drafts"),
        ("hoard", "more than 16 account drafts"),
        ("dear", "take too long"),
        ("oracle", "Err(AccessError::NotGranted(\"the hash has no salt\")), 8 answers, then Some(Err("),
        ("password", "NotGranted(\"credentials\")"),
        ("invalid", "home_dir"),
        ("nobody-stored", "no account"),
        ("memory-of-others", "seen 1"),
        ("memory-of-others", "seen 1"),
        ("count", "count Ok(1) of Some(\"3\")"),
    ] {
        assert!(!can_log_in(&server, behaviour, PASSWORD), "{behaviour}");
        // OpenSSH's client may give up on a second method with an empty password.
        let line = server.wait_for(|line| {
            let empty = line["error"] == "the password is empty";
            line["sender"] == "connection_failed" && line["username"] == behaviour && !empty
        });
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(expected), "{behaviour}: {error}");
        assert!(can_log_in(&server, "alice", PASSWORD), "after {behaviour}");
    }
    assert!(server.is_running());
    let lines = server.log().matches(r#""message":"line "#).count();
    assert!((1..=20).contains(&lines), "{lines} lines were logged");
}

#[test]
fn the_clear_password_needs_a_grant_and_is_audited() {
    // B0-10b, G-05
    let site = hostile_site();
    site.write("plugins/hostile.toml", "grants = [\"credentials\"]\n");
    let server = site.start();
    assert!(!can_log_in(&server, "password", PASSWORD));
    server.wait_for(|line| line["sender"] == "audit" && line["plugin"] == "hostile");
    let denied = server.wait_for(|line| line["sender"] == "connection_failed");
    assert!(denied["error"].as_str().unwrap().contains("Ok(\"pw\")"), "{denied}");
}

#[test]
fn what_a_component_keeps_survives_a_restart() {
    // G-05
    let site = hostile_site();
    let count = || {
        let server = site.start();
        assert!(!can_log_in(&server, "count", PASSWORD));
        let line = server.wait_for_text("count Ok(");
        let error = line["error"].as_str().unwrap();
        error.split("Ok(").nth(1).unwrap().split(')').next().unwrap().parse::<i64>().unwrap()
    };
    let first = count();
    assert!(count() > first);
}

#[test]
fn wrong_settings_keep_a_component_out() {
    let site = hostile_site();
    site.write("plugins/hostile.toml", "grants = [\"everything\"]\n");
    let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed.contains("hostile.toml") && listed.contains("everything"), "{listed}");
}

/// Of a request: a connection that is closed with something unread in it is reset.
fn read_head(stream: &std::net::TcpStream) {
    let mut head = std::io::BufReader::new(stream);
    let mut line = String::new();
    while std::io::BufRead::read_line(&mut head, &mut line).unwrap_or(0) > 2 {
        line.clear();
    }
}

/// Answers every request on a port of its own by sending it elsewhere, until the test ends.
fn redirecting_server() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_head(&stream);
            let answer = "HTTP/1.1 307 Elsewhere\r\nlocation: http://169.254.169.254/\r\ncontent-length: 2\r\n\r\nok";
            let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
        }
    });
    port
}

/// What the component was told when it asked for each of `urls`.
fn fetched(settings: &str, urls: &[&str]) -> Vec<String> {
    let site = hostile_site();
    let urls = urls.iter().enumerate().map(|(number, url)| (format!("fetch-{number}"), url));
    let config: String = urls.clone().map(|(name, url)| format!("{name} = \"{url}\"\n")).collect();
    site.write("plugins/hostile.toml", format!("{settings}\n[config]\n{config}"));
    let server = site.start();
    let error_of = |(name, _): (String, &&str)| {
        assert!(!can_log_in(&server, &name, PASSWORD));
        let line = server.wait_for(|line| line["sender"] == "connection_failed" && line["username"] == name);
        line["error"].as_str().unwrap().to_owned()
    };
    urls.map(error_of).collect()
}

#[test]
fn requests_go_only_to_granted_places() {
    // G-05
    let port = redirecting_server();
    let granted = format!("http://127.0.0.1:{port}/");
    let other = format!("http://127.0.0.1:{}/", port ^ 1);
    let errors = fetched("", &[&granted]);
    assert!(errors[0].contains("has not granted"), "{errors:?}");
    let errors = fetched(&format!("http = [\"http://127.0.0.1:{port}\"]"), &[&granted, &other, "https://127.0.0.1/"]);
    // A redirect is an answer like any other: it is not followed.
    assert!(errors[0].contains("Ok((307, 2))"), "{errors:?}");
    assert!(errors[1].contains("has not granted") && errors[2].contains("has not granted"), "{errors:?}");
}

#[test]
fn no_name_leads_to_this_machine_or_to_metadata() {
    // G-05
    let port = redirecting_server();
    let places = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[::ffff:a9fe:a9fe]/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://0.0.0.0/".to_owned(),
    ];
    // A pattern leaves out the addresses of all interfaces; a machine without a network has none.
    let own = outward_address().map(|own| format!("http://{own}:{port}/"));
    let places: Vec<&str> = places.iter().chain(&own).map(String::as_str).collect();
    for (place, error) in places.iter().zip(fetched("http = [\"http://*:*\"]", &places)) {
        assert!(error.contains("DestinationIpProhibited"), "{place}: {error}");
    }
}

/// The address from which packets to a distant network would go out; nothing is sent.
fn outward_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified() && !address.is_loopback())
}

#[test]
fn what_the_operator_names_may_be_this_machine() {
    // G-05
    let Some(own) = outward_address() else { return };
    let listener = std::net::TcpListener::bind((own, 0)).unwrap();
    let url = format!("http://{own}:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_head(&stream);
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let granted = format!("http = [\"{}\"]", url.trim_end_matches('/'));
    let errors = fetched(&granted, &[&url]);
    assert!(errors[0].contains("Ok((200, 2))"), "{errors:?}");
}
