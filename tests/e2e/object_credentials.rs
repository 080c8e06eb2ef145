//! Where the credentials of a bucket come from, and that it is made where it is missing (A16-02, A16-06).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, sftp, text};
use tidegate_tests::object_store::Store;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// A store, and the user `alice` whose files are there, with a change of `s3config`.
fn store_of(site: &Site, change: impl FnOnce(&mut Value)) -> Store {
    let store = Store::start(site);
    let mut user: Value = serde_json::from_str(&format!("{{{}}}", store.file_system())).unwrap();
    change(&mut user["filesystem"]["s3config"]);
    user["status"] = 1.into();
    user["permissions"] = json!({"/": ["*"]});
    let file = site.write("alice.json", user.to_string());
    site.user_with("alice", &["--password", "pw", "--from-json", file.to_str().unwrap()]);
    store
}

fn puts(site: &Site, server: &Server, name: &str) -> bool {
    let local = site.write("local", "content");
    sftp(server, "alice", PASSWORD, &format!("put {} {name}\n", local.display())).status.success()
}

/// A service that gives credentials to programs on its machine or in its container, as those of clouds do. The port.
fn credential_service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    port
}

fn answer(mut client: TcpStream) {
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        "/latest/api/token" => "token".to_owned(),
        "/latest/meta-data/iam/security-credentials/" => "role".to_owned(),
        "/latest/meta-data/iam/security-credentials/role" | "/container" => json!({
            "Code": "Success", "AccessKeyId": "key", "SecretAccessKey": "secret", "Token": "token",
            "Expiration": "2099-01-01T00:00:00Z",
        })
        .to_string(),
        other => panic!("{other}"),
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

#[test]
fn the_environment_the_container_or_the_machine_has_the_credentials() {
    // A16-06
    let site = Site::new();
    let store = store_of(&site, |config| {
        config["access_key"] = Value::Null;
        config["access_secret"] = Value::Null;
    });
    let service = format!("http://127.0.0.1:{}", credential_service());
    let container = format!("{service}/container");
    // What the machine of the tests has is not asked.
    let nothing = [
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let variables = |secret: &'static str| vec![("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", secret)];
    let machine = vec![("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.as_str())];
    for (name, environment, works) in [
        ("variables", variables("secret"), true),
        ("wrong", variables("wrong"), false),
        ("container", vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str())], true),
        ("machine", machine, true),
        ("none", Vec::new(), false),
    ] {
        let server = site.start_with(&[&nothing[..], &environment[..]].concat());
        assert_eq!(puts(&site, &server, name), works, "{name}: {}", server.log());
        assert_eq!(store.objects().contains(&name.to_owned()), works, "{name}");
    }
}

#[test]
fn a_secret_may_be_that_of_the_configuration() {
    // A8-15
    let site = Site::new();
    let key = site.write("key", "secret\n");
    let site = site.config(&format!("[secrets]\nstore = {{ file = \"{}\" }}", key.display()));
    let store = store_of(&site, |config| config["access_secret"] = "${secret:store}".into());
    let server = site.start();
    assert!(puts(&site, &server, "f"), "{}", server.log());
    // It is read for each session.
    site.write("key", "another");
    assert!(!puts(&site, &server, "g"));
    site.write("key", "secret");
    assert!(puts(&site, &server, "g"), "{}", server.log());
    assert_eq!(store.objects(), ["f", "g"]);
    let shown = tools::run(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    assert!(!text(&shown).contains("${secret:"), "{}", text(&shown));
}

#[test]
fn a_missing_bucket_is_made_in_the_oldest_era_alone() {
    // A16-02
    for (site, is_made) in
        [(Site::new().compat("seed"), true), (Site::new(), false), (Site::new().compat("1.0"), false)]
    {
        let store = store_of(&site, |config| config["bucket"] = "missing".into());
        let bucket = store.bucket.with_file_name("missing");
        let server = site.start();
        assert_eq!(puts(&site, &server, "f"), is_made, "{}", server.log());
        assert_eq!(bucket.join("home/f").exists(), is_made);
        assert_eq!(bucket.exists(), is_made);
    }
}
