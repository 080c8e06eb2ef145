//! The plugins of `plugins/`, with real clients and real services.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tidegate_tests::clients::{Proof, can_log_in, openssh, sftp, sftp_ok, text};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// A program that says where it listens, stopped with the test.
struct Service(Child, String);

impl Service {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
        Self(child, url)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `sftp` that answers the questions of keyboard-interactive.
fn answered(site: &Site, server: &Server, user: &str, password: &str, code: &str) -> bool {
    let script = format!("#!/bin/sh\ncase $1 in\n*Password*) echo '{password}' ;;\n*) echo '{code}' ;;\nesac\n");
    let askpass = site.script("askpass.sh", &script);
    let batch = site.write("batch", "pwd\n");
    let mut sftp = Command::new("sftp");
    let options = openssh("sftp", server, Proof::Key(std::path::Path::new("/nonexistent")));
    sftp.args(options.get_args().filter(|option| *option != "-oPreferredAuthentications=publickey"));
    sftp.args(["-oPreferredAuthentications=keyboard-interactive", "-oBatchMode=no", "-b"]).arg(batch);
    sftp.arg(format!("{user}@127.0.0.1"));
    sftp.env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    tools::run(&mut sftp).status.success()
}

#[test]
fn totp_asks_for_a_code_that_an_authenticator_makes() {
    let site = Site::new();
    site.plugin("totp", &tools::guest("totp"), "");
    site.user("alice");
    let enabled = site.tidegate(&["user", "totp", "--username", "alice", "--enable", "--json"]).output().unwrap();
    let enabled: serde_json::Value = serde_json::from_slice(&enabled.stdout).unwrap();
    assert!(enabled["url"].as_str().unwrap().starts_with("otpauth://totp/Tidegate:alice?secret="));
    let secret = enabled["secret"].as_str().unwrap();
    let code = || tools::run_ok(Command::new("oathtool").args(["--totp", "--base32", secret])).trim().to_owned();
    let server = site.start();
    let right = code();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    assert!(!answered(&site, &server, "alice", "pw", wrong));
    assert!(!answered(&site, &server, "alice", "other", &right));
    assert!(answered(&site, &server, "alice", "pw", &right), "{}", server.log());
    assert!(!answered(&site, &server, "alice", "pw", &right), "a code is good once");
    assert!(!server.log().contains(secret));
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice", "--json"]));
    assert!(!shown.contains(secret), "{shown}");
}

#[test]
fn access_window_knows_the_hour() {
    let site = Site::new();
    site.user("alice");
    // From midnight to midnight is no time at all; these two are the whole day.
    let closed = "[[config.windows]]\nfrom = \"00:00\"\nto = \"00:00\"\n";
    let open =
        "[[config.windows]]\nfrom = \"00:00\"\nto = \"12:00\"\n[[config.windows]]\nfrom = \"12:00\"\nto = \"00:00\"\n";
    for (settings, expected) in [(closed, false), (open, true), ("[config]\nwindows = 7\n", false)] {
        site.plugin("access-window", &tools::guest("access-window"), settings);
        let server = site.start();
        assert_eq!(can_log_in(&server, "alice", PASSWORD), expected, "{settings}{}", server.log());
    }
}

#[test]
fn ip_policy_keeps_users_in_their_networks_and_guessers_waiting() {
    let site = Site::new();
    let settings = "[[config.rules]]\nusers = [\"svc-*\"]\nnetworks = [\"10.0.0.0/8\"]\n\
                    [config.guessers]\nfailures = 2\nseconds = 3600\n";
    site.plugin("ip-policy", &tools::guest("ip-policy"), settings);
    site.user("alice");
    site.user("svc-backup");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    assert!(!can_log_in(&server, "svc-backup", PASSWORD));
    assert!(server.log().contains("not from this network"));
    for _ in 0..2 {
        assert!(!can_log_in(&server, "alice", Proof::PasswordMethod("wrong")));
    }
    // The failures are counted after the fact.
    waiting::until("the guesser is refused", || !can_log_in(&server, "alice", Proof::PasswordMethod("pw")));
    server.wait_for_text("too many failed logins");
}

#[test]
fn upload_policy_looks_at_names_and_contents() {
    let site = Site::new().config("[common.actions]\nexecute_sync = [\"upload\"]\n");
    let settings = "grants = [\"file-contents\"]\n[config]\nallowed_names = [\"*.pdf\", \"*.txt\"]\nmax_bytes = 1000\n\
                    [[config.contents]]\nnames = [\"*.pdf\"]\nmagic = [\"255044462d\"]\n";
    site.plugin("upload-policy", &tools::guest("upload-policy"), settings);
    let home = site.user("alice");
    let (pdf, program, long) =
        (site.write("pdf", "%PDF-1.7"), site.write("program", "MZ"), site.write("long", [b'x'; 1001]));
    let server = site.start();
    let batch = format!(
        "put {0} good.pdf\n-put {1} virus.exe\n-put {1} fake.pdf\n-put {2} long.txt\n-rename good.pdf good.exe\nput {1} note.txt\n",
        pdf.display(),
        program.display(),
        long.display()
    );
    let said = text(&sftp(&server, "alice", PASSWORD, &batch));
    let mut left: Vec<_> = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["good.pdf", "note.txt"], "{said}\n{}", server.log());
}

/// Takes one request after another, answers each with the next status, and gives their heads and bodies.
fn receiver(statuses: &'static [&'static str]) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                head.push_str(&line.to_lowercase());
                line.clear();
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            let status = statuses.get(number).unwrap_or(&"200 OK");
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if sender.send((head, String::from_utf8(body).unwrap())).is_err() {
                return;
            }
        }
    });
    (url, received)
}

#[test]
fn webhook_signs_and_tries_again() {
    let (url, received) = receiver(&["503 Busy"]);
    let site = Site::new();
    let settings = format!(
        "http = [\"{url}\"]\n[secrets]\nsigning-key = \"the key\"\n[config]\nurl = \"{url}/in\"\nevents = [\"upload\"]\n"
    );
    site.plugin("webhook", &tools::guest("webhook"), &settings);
    site.user("alice");
    let file = site.write("local", "12345");
    let server = site.start();
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} report.pdf\n", file.display()));
    let next = || received.recv_timeout(waiting::PATIENCE).unwrap();
    let (first, second) = (next(), next());
    assert_eq!(first.1, second.1, "the same message again");
    let message: serde_json::Value = serde_json::from_str(&second.1).unwrap();
    assert_eq!((&message["event"], &message["path"]), (&"upload".into(), &"/report.pdf".into()));
    let body = site.write("body", &second.1);
    let signed = tools::run_ok(Command::new("openssl").args(["dgst", "-sha256", "-hmac", "the key"]).arg(body));
    let signature = signed.trim().rsplit(' ').next().unwrap();
    assert!(second.0.contains(&format!("x-tidegate-signature: sha256={signature}")), "{}", second.0);
}

#[test]
fn audit_syslog_sends_only_where_it_may() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(waiting::PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    let config = format!("[config]\nserver = \"{address}\"\nhostname = \"sftp1\"\n");
    let site = Site::new();
    site.plugin("audit-syslog", &tools::guest("audit-syslog"), &format!("udp = [\"{address}\"]\n{config}"));
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    let mut buffer = [0; 2000];
    let mut next = || {
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    // The command line has reported the new account.
    let seen = [next(), next(), next()];
    assert!(seen.iter().all(|line| line.contains(">1 20") && line.contains(" sftp1 tidegate - ")), "{seen:?}");
    let change = "change=\"add\" object=\"account\" name=\"alice\" actor=\"";
    let told = seen.iter().find_map(|line| line.split_once(change)).unwrap_or_else(|| panic!("{seen:?}"));
    assert!(!told.1.starts_with('"'), "the record has no actor: {seen:?}");
    assert!(
        seen.iter().any(|line| line.contains("- login [tidegate@32473 user=\"alice\" ip=\"127.0.0.1\"")),
        "{seen:?}"
    );
    assert!(seen.iter().any(|line| line.contains("- session-end [")), "{seen:?}");
    drop(server);
    // Another port is another place.
    let elsewhere = format!("udp = [\"127.0.0.1:9\"]\n{config}");
    site.plugin("audit-syslog", &tools::guest("audit-syslog"), &elsewhere);
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    let refused = server.wait_for(|line| line["hook"] == "audit-syslog" && line["error_kind"].is_string());
    assert!(refused["message"].as_str().unwrap().contains("access-denied"), "{refused}");
}

/// A directory with alice, whose password is "secret".
fn slapd(site: &Site) -> (Child, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directory = site.path("ldap");
    std::fs::create_dir(&directory).unwrap();
    let config = format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         database mdb\nsuffix \"dc=example,dc=com\"\nrootdn \"cn=admin,dc=example,dc=com\"\ndirectory {}\n\
         access to attrs=userPassword by self write by anonymous auth by * none\naccess to * by self read by * none\n",
        directory.display()
    );
    let config = site.write("slapd.conf", config);
    let entries = site.write(
        "entries.ldif",
        "dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
         dn: ou=people,dc=example,dc=com\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: uid=alice,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: alice\ncn: Alice\nsn: A\n\
         mail: alice@example.com\nuserPassword: secret\n",
    );
    tools::run_ok(Command::new("/usr/sbin/slapadd").arg("-f").arg(&config).arg("-l").arg(entries));
    let url = format!("ldap://127.0.0.1:{port}");
    let mut slapd = Command::new("/usr/sbin/slapd");
    let child = slapd.args(["-d", "0", "-h", &url, "-f"]).arg(config).spawn().unwrap();
    waiting::until("slapd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (child, url)
}

const PEOPLE: &str = "ou=people,dc=example,dc=com";

#[test]
fn http_auth_asks_ldap_through_the_example_service() {
    // A11-27
    let site = Site::new();
    let (mut slapd, url) = slapd(&site);
    let script = tools::root().join("examples/ldap-http/ldap_server.py");
    let service =
        Service::start(Command::new(tools::python()).arg(script).env("LDAP_URL", &url).env("LDAP_BASE", PEOPLE));
    let settings = format!(
        "grants = [\"credentials\"]\nhomes = [\"{1}\"]\nhttp = [\"{0}\"]\n[config]\nurl = \"{0}/\"\n[config.account]\n\
         home_dir = \"{1}/{{uid}}\"\nemail = \"{{mail}}\"\npermissions = {{ \"/\" = [\"*\"] }}\n",
        service.1,
        site.path("homes").display()
    );
    site.plugin("http-auth", &tools::guest("http-auth"), &settings);
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::Password("secret")), "{}", server.log());
    for (user, password) in [("alice", "wrong"), ("bob", "secret"), ("alice,ou=people", "secret"), ("*", "secret")] {
        assert!(!can_log_in(&server, user, Proof::Password(password)), "{user}");
    }
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice", "--json"]));
    assert!(shown.contains("alice@example.com"), "{shown}");
    assert!(!server.log().contains("secret"));
    slapd.kill().unwrap();
    slapd.wait().unwrap();
    assert!(!can_log_in(&server, "alice", Proof::Password("secret")), "without the directory no login is accepted");
}

#[test]
fn the_ldap_program_decides_logins() {
    // A11-27
    let site = Site::new();
    let (mut slapd, url) = slapd(&site);
    let program = tools::root().join("examples/ldap-program/ldap_auth.py");
    // The program's first line finds Python by its name.
    let path = format!("{}:{}", tools::python().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let homes = site.path("homes");
    let site = site.config(&format!(
        "[hook.external-auth]\nhook = {:?}\nenv = [\"LDAP_URL={url}\", \"LDAP_BASE={PEOPLE}\", \"HOME_BASE={}\", \"PATH={path}\"]\n",
        program.display().to_string(),
        homes.display()
    ));
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::Password("secret")), "{}", server.log());
    assert!(!can_log_in(&server, "alice", Proof::Password("wrong")));
    assert!(!can_log_in(&server, "bob", Proof::Password("secret")));
    slapd.kill().unwrap();
    slapd.wait().unwrap();
}

#[test]
fn the_guests_example_works_in_every_way() {
    let site = Site::new();
    let directory = site.path("homes/guests");
    std::fs::create_dir_all(&directory).unwrap();
    let directory = directory.display().to_string();
    let examples = tools::root().join("examples");
    let web = |program: &str, script: &str| {
        let mut command = Command::new(program);
        command.arg(examples.join(script)).env("GUEST_PASSWORD", "welcome").env("GUEST_DIRECTORY", &directory);
        Service::start(&mut command)
    };
    let (python, node) =
        (web(tools::python().to_str().unwrap(), "python-http/guests.py"), web("node", "node-http/guests.mjs"));
    let shell = examples.join("shell/guests.sh").display().to_string();
    for link in [&shell, &python.1, &node.1] {
        let site = Site::new().config(&format!(
            "[hook.external-auth]\nhook = \"{link}\"\nusers = [\"guest-*\"]\n\
             env = [\"GUEST_PASSWORD=welcome\", \"GUEST_DIRECTORY={directory}\"]\n"
        ));
        site.user("alice");
        let server = site.start();
        assert!(can_log_in(&server, "guest-1", Proof::Password("welcome")), "{link}: {}", server.log());
        assert!(!can_log_in(&server, "guest-1", Proof::Password("wrong")), "{link}");
        assert!(can_log_in(&server, "alice", PASSWORD), "{link}");
    }
}
