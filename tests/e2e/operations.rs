//! What operators rely on: metrics, logs, fail2ban, systemd, the announcement in the network.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tidegate_tests::clients::{Proof, can_log_in, exec, sftp, sftp_ok, text};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::waiting::{Followed, PATIENCE};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::PasswordMethod("pw");

fn ask(server: &Server, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.http_port)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub fn get(server: &Server, path: &str) -> String {
    ask(server, "GET", path)
}

/// The value of a metric without labels.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn metrics_have_the_older_names() {
    // A1-19, A18-13, A20, A20-07
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user("alice");
    let server = site.start();
    let local = site.write("local", vec![1; 1234]);
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} a\nget a {}\n", local.display(), site.path("b").display()));
    assert!(!can_log_in(&server, "alice", Proof::PasswordMethod("wrong")));
    exec(&server, "alice", PASSWORD, "md5sum a", b"");
    exec(&server, "alice", PASSWORD, "md5sum none", b"");
    std::fs::remove_dir_all(&home).unwrap();
    let _ = sftp(&server, "alice", PASSWORD, "get a\n");
    let answer = get(&server, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain"), "{answer}");
    for (name, expected) in [
        ("sftpgo_dataprovider_availability", 1.0),
        ("sftpgo_active_connections", 0.0),
        ("sftpgo_uploads_total", 1.0),
        ("sftpgo_upload_size", 1234.0),
        ("sftpgo_upload_errors_total", 0.0),
        ("sftpgo_downloads_total", 1.0),
        ("sftpgo_download_size", 1234.0),
        ("sftpgo_ssh_commands_total", 1.0),
        ("sftpgo_ssh_command_errors_total", 1.0),
        ("sftpgo_login_attempts_total", 5.0),
        ("sftpgo_login_ok_total", 4.0),
        ("sftpgo_login_ko_total", 1.0),
        ("sftpgo_password_login_attempts_total", 5.0),
        ("sftpgo_public_key_login_ok_total", 0.0),
        ("sftpgo_keyboard_interactive_login_ko_total", 0.0),
        ("sftpgo_http_req_total", 0.0),
    ] {
        assert_eq!(metric(&answer, name), Some(expected), "{name}");
    }
    assert!(metric(&answer, "process_open_fds").unwrap() > 5.0);
    assert!(metric(&answer, "process_cpu_seconds_total").unwrap() > 0.0);
    assert!(metric(&answer, "process_resident_memory_bytes").unwrap() > 1e6);
    let started = metric(&answer, "process_start_time_seconds").unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 600.0..=now + 1.0).contains(&started), "{started} is not in the minutes before {now}");
    // A18-12
    for (method, path, status) in [("GET", "/none", 404), ("POST", "/metrics", 405)] {
        let answer = ask(&server, method, path);
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "error", "message", "request_id", "status"], "{answer}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && body["status"] == status, "{answer}");
    }
    let line = server.wait_for(|line| line["sender"] == "httpd" && line["resp_status"] == 404);
    assert_eq!(line["uri"], "/none");
    assert_eq!(metric(&get(&server, "/metrics"), "sftpgo_http_client_errors_total"), Some(2.0));
}

#[test]
fn hooks_are_in_the_metrics() {
    // A20-09
    let site = Site::new();
    let script = site.script("hook", "#!/bin/sh\nexit 0\n");
    let site = site.config(&format!("[common]\npost_connect_hook = \"{}\"", script.display()));
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
    let answer = waiting::eventually("the call is counted", || {
        let answer = get(&server, "/metrics");
        answer.contains("tidegate_hook_calls_total{kind=\"connect\"").then_some(answer)
    });
    assert!(answer.contains("tidegate_hook_duration_seconds_bucket{kind=\"connect\""), "{answer}");
}

#[test]
fn outcomes_of_hooks_are_told_apart_in_the_metrics() {
    // A20-09
    let site = Site::new();
    let script = site.script(
        "hook.sh",
        "#!/bin/sh\ncase $SFTPGO_LOGIN_USERNAME in\ndenied) exit 1 ;;\nbroken) kill -9 $$ ;;\nlate) exec sleep 20 ;;\nesac\n",
    );
    let site = site.config(&format!("[hook.login-pre]\ntimeout = 1\nhook = \"{}\"\n", script.display()));
    let server = site.start();
    for user in ["denied", "broken", "late"] {
        assert!(!can_log_in(&server, user, PASSWORD));
    }
    let lines = |text: &str, name: &str, end: &str| {
        let of_hooks = text.lines().filter(|line| line.starts_with(&format!("{name}{{kind=\"login-pre\"")));
        of_hooks.filter(|line| line.ends_with(end)).count()
    };
    // Records are stored a moment after the calls.
    let text = waiting::eventually("each outcome is counted once", || {
        let text = get(&server, "/metrics");
        let is_counted = |word: &&str| lines(&text, "tidegate_hook_calls_total", &format!("\"{word}\"}} 1")) == 1;
        ["deny", "failed", "timeout"].iter().all(is_counted).then_some(text)
    });
    assert_eq!(lines(&text, "tidegate_hook_errors_total", " 1"), 2, "{text}");
}

#[test]
fn a_store_that_does_not_answer_is_in_the_metrics() {
    // A9-05
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let rename = |from: &str, to: &str| {
        let script = format!(
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); \
             c.execute('alter table {from} rename to {to}'); c.commit()"
        );
        tools::run_ok(Command::new(tools::python()).args(["-c", &script]).arg(site.path("tidegate.db")));
    };
    let wait_for = |expected: f64| {
        let gauge = || metric(&get(&server, "/metrics"), "sftpgo_dataprovider_availability");
        waiting::until(&format!("the gauge becomes {expected}"), || gauge() == Some(expected));
    };
    // A18-02
    let status = || {
        let (socket, url) = (site.path("tidegate.sock"), "http://localhost/api/v1/providerstatus");
        let mut curl = Command::new("curl");
        let answer = tools::run_ok(curl.args(["--silent", "--show-error", "--unix-socket"]).arg(socket).arg(url));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        (answer["status"].as_u64(), answer["message"] == "Alive", answer["error"] == "")
    };
    wait_for(1.0);
    assert_eq!(status(), (Some(200), true, true));
    rename("account_changes", "away");
    wait_for(0.0);
    assert_eq!(status(), (Some(500), false, false));
    rename("away", "account_changes");
    wait_for(1.0);
}

/// A server that logs to a file.
fn logging(site: &Site, arguments: &[&str]) -> std::process::Child {
    let mut command = site.tidegate(&[&["serve", "--log-file-path", "server.log"], arguments].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until a line of the file has the text; gives all of the file.
fn wait_for_text(path: &Path, wanted: &str) -> String {
    let line = Followed::new(path).line(|line| line.contains(wanted));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(line.is_some(), "{wanted:?} is not in {}:\n{text}", path.display());
    text
}

fn signal(child: &std::process::Child, name: &str) {
    tools::run_ok(Command::new("kill").args(["-s", name]).arg(child.id().to_string()));
}

#[test]
fn a_signal_opens_the_log_anew() {
    // A21-09, A2-04
    let site = Site::new();
    let log = site.path("server.log");
    let mut server = logging(&site, &[]);
    wait_for_text(&log, "\"service\":\"sftpd\"");
    std::fs::rename(&log, site.path("moved")).unwrap();
    signal(&server, "USR1");
    wait_for_text(&log, "the log was opened anew");
    signal(&server, "TERM");
    assert!(server.wait().unwrap().success());
    assert!(wait_for_text(&log, "the server has stopped").lines().all(|line| line.starts_with("{\"level\"")));
    assert!(!std::fs::read_to_string(site.path("moved")).unwrap().contains("stopped"));
}

#[test]
fn logs_are_quiet_when_asked() {
    // A2-09, A2-10: an option wins over a variable, and a variable over the default.
    for (arguments, variable, is_quiet) in [
        (&["--log-verbose=false"][..], None, true),
        (&["--log-verbose=false"], Some("true"), true),
        (&[], Some("false"), true),
        (&["--log-verbose=true"], Some("false"), false),
        (&[], None, false),
    ] {
        let site = Site::new();
        let mut command = site.tidegate(&[&["serve", "--log-file-path", "server.log"], arguments].concat());
        command.envs(variable.map(|value| ("SFTPGO_LOG_VERBOSE", value))).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let text = wait_for_text(&site.path("server.log"), "\"service\":\"sftpd\"");
        let listening = text.lines().find(|line| line.contains("\"service\":\"sftpd\"")).unwrap();
        let listening: Value = serde_json::from_str(listening).unwrap();
        let port: u16 = listening["address"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        // A connection that ends at once gets a line at the level for details.
        TcpStream::connect(("127.0.0.1", port)).unwrap().read_exact(&mut [0; 8]).unwrap();
        signal(&server, "TERM");
        assert!(server.wait().unwrap().success());
        let log = std::fs::read_to_string(site.path("server.log")).unwrap();
        assert_eq!(!log.contains("\"level\":\"debug\""), is_quiet, "{arguments:?} {variable:?}: {log}");
    }
}

#[test]
fn fail2ban_finds_those_who_guess() {
    // A1-28, A21-06, A21-07
    let filter = tools::root().join("examples/fail2ban/filter.d/tidegate.conf");
    let samples = tools::root().join("tests/fail2ban/sample.log");
    let regex = |log: &Path, filter: &str, options: &[&str]| {
        let mut command = Command::new("fail2ban-regex");
        tools::run_ok(command.args(options).arg(log).arg(filter).env("TZ", "UTC"))
    };
    let filter = filter.display().to_string();
    let marks = std::fs::read_to_string(&samples).unwrap();
    let expected: Vec<String> = marks
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("# failJSON: ")?).ok())
        .filter(|mark| mark["match"] == true)
        .map(|mark| mark["host"].as_str().unwrap().to_owned())
        .collect();
    let found = regex(&samples, &filter, &["-o", "<ip>"]);
    let found: Vec<&str> = found.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
    assert!(!found.contains(&"203.0.113.66"), "a forged address");
    // And what the server itself writes.
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    // OpenSSH's client takes no such names.
    let guess = r#"
import paramiko, sys
for user in ["alice", 'nobody","client_ip":"203.0.113.66', "ü\\"]:
    transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
    transport.start_client(timeout=60)
    try:
        transport.auth_password(user, "wrong", fallback=False)
        sys.exit("let in")
    except paramiko.AuthenticationException:
        transport.close()
"#;
    tools::run_ok(Command::new(tools::python()).args(["-c", guess, &server.port.to_string()]));
    let log = site.write("log", server.log());
    let found = regex(&log, &filter, &["-o", "<ip>"]);
    assert_eq!(found.split_whitespace().collect::<Vec<_>>(), ["127.0.0.1"; 3], "{}", server.log());
    // The jail names the filter.
    let jail = std::fs::read_to_string(tools::root().join("examples/fail2ban/jail.d/tidegate.conf")).unwrap();
    assert!(jail.contains("[tidegate]") && jail.contains("filter"), "{jail}");
}

#[test]
fn systemd_hands_sockets_over_and_is_told() {
    let site = Site::new();
    site.user("alice");
    let socket = site.path("notify");
    let notified = UnixDatagram::bind(&socket).unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = || {
        let mut message = [0; 200];
        let length = notified.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    // Python makes the sockets, puts them where systemd puts them, and becomes the server.
    let script = r#"
import os, socket, sys
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(listener.getsockname()[1] for listener in listeners), flush=True)
copies = [os.dup(listener.fileno()) for listener in listeners]
for number, copy in enumerate(copies):
    os.dup2(copy, 3 + number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="httpd:sftpd")
os.execv(sys.argv[1], sys.argv[1:])
"#;
    let serve = site.tidegate(&["serve", "--log-file-path", ""]);
    let mut command = Command::new(tools::python());
    command.arg("-c").arg(script).arg(serve.get_program()).args(serve.get_args());
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "400000");
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut ports = String::new();
    let mut byte = [0];
    let mut stdout = server.stdout.take().unwrap();
    while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        ports.push(char::from(byte[0]));
    }
    let port: u16 = ports.split_whitespace().nth(1).unwrap().parse().unwrap();
    let mut messages = Vec::new();
    while !messages.iter().any(|message| message == "READY=1")
        || !messages.iter().any(|message| message == "WATCHDOG=1")
    {
        messages.extend(receive().lines().map(str::to_owned));
    }
    let mut greeting = [0; 8];
    TcpStream::connect(("127.0.0.1", port)).unwrap().read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    signal(&server, "TERM");
    while !messages.iter().any(|message| message == "STOPPING=1") {
        messages.extend(receive().lines().map(str::to_owned));
    }
    assert!(server.wait().unwrap().success());
}

#[test]
fn the_server_can_be_asked_whether_it_lives() {
    let site = Site::new();
    let dead = tools::run(&mut site.tidegate(&["ping"]));
    assert_eq!(dead.status.code(), Some(1));
    assert!(text(&dead).contains("no server runs"), "{}", text(&dead));
    let _server = site.start();
    tools::run_ok(&mut site.tidegate(&["ping"]));
    // Two would count the same usages.
    let second = tools::run(&mut site.tidegate(&["serve", "--log-file-path", ""]));
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second).contains("a server runs in"), "{}", text(&second));
    tools::run_ok(&mut site.tidegate(&["ping"]));
}

#[test]
fn portable_servers_are_announced() {
    // A17-03
    let directory = tempfile::tempdir().unwrap();
    let mut portable = Command::new(tools::tidegate());
    portable.args(["portable", "-d"]).arg(directory.path());
    portable.args(["-u", "bob", "-p", "secret", "-C", "--bind-address", "127.0.0.1"]);
    let mut portable = portable.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = std::io::BufReader::new(portable.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Listening on") {
        line.clear();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        // A17-02: a password that was given is not printed.
        assert!(!line.contains("secret"), "{line}");
    }
    let address = line.strip_prefix("Listening on ").unwrap().split(';').next().unwrap();
    let port = address.rsplit(':').next().unwrap();
    let script = r#"
import sys, threading
from zeroconf import ServiceBrowser, Zeroconf
found = threading.Event()
class Listener:
    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, 5000)
        if info and info.port == int(sys.argv[1]):
            print(name, sorted((key.decode(), value.decode()) for key, value in info.properties.items()), flush=True)
            found.set()
    update_service = add_service
    def remove_service(self, zeroconf, kind, name):
        pass
zeroconf = Zeroconf()
browser = ServiceBrowser(zeroconf, "_sftp-ssh._tcp.local.", Listener())
ok = found.wait(30)
zeroconf.close()
sys.exit(0 if ok else 1)
"#;
    let found = tools::run(Command::new(tools::python()).args(["-c", script, port]));
    signal(&portable, "TERM");
    assert!(portable.wait().unwrap().success());
    let found = text(&found);
    assert!(found.starts_with(&format!("Tidegate portable {port}._sftp-ssh._tcp.local.")), "{found}");
    assert!(found.contains("('user', 'bob')") && found.contains("('password', 'secret')"), "{found}");
    assert!(found.contains("('version', "), "{found}");
}

#[test]
fn a_closed_terminal_ends_nothing() {
    // A21-09
    let site = Site::new();
    site.user("alice");
    let mut server = site.start();
    for name in ["HUP", "USR1", "HUP"] {
        tools::run_ok(Command::new("kill").args([&format!("-{name}"), &server.pid().to_string()]));
    }
    assert!(can_log_in(&server, "alice", PASSWORD));
    assert!(server.is_running());
}

#[test]
fn keys_that_no_account_may_use_are_logged() {
    // A2-09, A4-06, A21-06, J-08: without an option the log has all there is.
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let key = site.path("weak");
    tools::run_ok(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f"]).arg(&key));
    assert!(!can_log_in(&server, "alice", Proof::Key(&key)));
    let line = server.wait_for(|line| line["sender"] == "connection_failed");
    assert_eq!((line["username"].as_str(), line["login_type"].as_str()), (Some("alice"), Some("public_key")));
    assert!(line["error"].as_str().unwrap().contains("too weak"), "{line}");
    assert_eq!((&line["level"], &line["client_ip"]), (&"debug".into(), &"127.0.0.1".into()), "{line}");
}

#[test]
fn a_scan_goes_on_after_an_account_that_cannot_be_counted() {
    // A10-06
    let site = Site::new();
    let (alice, bob) = (site.user("alice"), site.user("bob"));
    std::fs::create_dir_all(alice.parent().unwrap()).unwrap();
    std::fs::write(&alice, "no directory").unwrap();
    std::fs::create_dir_all(&bob).unwrap();
    std::fs::write(bob.join("a"), "abc").unwrap();
    let output = tools::run(&mut site.tidegate(&["quota", "scan", "--json"]));
    assert_eq!(output.status.code(), Some(1));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reports.as_array().unwrap().len(), 1, "{reports}");
    assert_eq!(reports[0]["found"]["size"], 3);
    assert!(text(&output).contains("alice"), "{}", text(&output));
}

#[test]
fn requests_are_logged_with_size_and_number() {
    // A21-05
    let site = Site::new();
    let server = site.start();
    let began = Instant::now();
    get(&server, "/metrics");
    let most = began.elapsed().as_millis();
    let line = server.wait_for(|line| line["sender"] == "httpd" && line["uri"] == "/metrics");
    assert!(u128::from(line["elapsed_ms"].as_u64().unwrap()) <= most, "{line}, of {most} ms");
    assert!(line["resp_size"].as_u64().unwrap() > 1000, "{line}");
    assert!(!line["request_id"].as_str().unwrap().is_empty(), "{line}");
    let keys = line.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ");
    let expected =
        "level time sender remote_addr proto method user_agent uri resp_status resp_size elapsed_ms request_id";
    assert_eq!(keys, expected);
    let values = (&line["proto"], &line["method"], &line["resp_status"]);
    assert_eq!(values, (&"HTTP/1.1".into(), &"GET".into(), &200.into()));
    assert!(line["remote_addr"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
}

#[test]
fn of_servers_that_start_at_once_one_serves() {
    let site = Site::new();
    site.user("alice");
    let start = || {
        let mut command = site.tidegate(&["serve", "--log-file-path", ""]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (0..4).map(|_| start()).collect();
    // Processes that do not serve end by themselves; the one that serves is asked to end when all others have.
    let (ended, said) = std::sync::mpsc::channel();
    let pids: Vec<u32> = started.iter().map(Child::id).collect();
    for child in started {
        let ended = ended.clone();
        std::thread::spawn(move || {
            let pid = child.id();
            ended.send((pid, child.wait_with_output().unwrap())).unwrap();
        });
    }
    let mut serving = pids;
    for _ in 0..3 {
        let (pid, output) = said.recv_timeout(PATIENCE).expect("those that do not serve end");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("already; stop it"), "{text}");
        serving.retain(|other| *other != pid);
    }
    tools::run_ok(&mut site.tidegate(&["ping"]));
    tools::run_ok(Command::new("kill").arg(serving[0].to_string()));
    let (_, output) = said.recv_timeout(PATIENCE).expect("a server ends when it is asked to");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
