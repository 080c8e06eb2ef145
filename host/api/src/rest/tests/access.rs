//! Nothing is reachable without its permission.

use axum::http::header::AUTHORIZATION;
use tidegate_core::admin::{Identity, Reach};

use super::super::credentials;
use super::super::route::{Interface, Need, Route};
use super::*;

/// A path with something in the place of each parameter.
fn concrete(interface: Interface, route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{id}" => "1",
        part if part.starts_with('{') => "x",
        part => part,
    });
    format!("{}{}", interface.path(), parts.collect::<Vec<_>>().join("/"))
}

#[tokio::test]
async fn each_route_needs_its_permission() {
    // A18-17, D-09
    let house = House::new();
    for (interface, route) in Interface::ALL
        .into_iter()
        .flat_map(|interface| interface.routes().into_iter().map(move |route| (interface, route)))
    {
        let path = concrete(interface, &route);
        let ask = async |key: Option<&str>| {
            let headers: Vec<_> = key.iter().map(|key| ("x-sftpgo-api-key", *key)).collect();
            house.send(route.method.as_str(), &path, &headers, "{}").await.status
        };
        let what = format!("{} {path}", route.method);
        match route.need {
            Need::Nothing => assert_ne!(ask(None).await, 401, "{what}"),
            Need::Password => {
                assert_eq!(ask(None).await, 401, "{what}");
                assert_eq!(ask(Some("all")).await, 401, "{what}");
            }
            Need::User => {
                assert_eq!(ask(None).await, 401, "{what}");
                assert_eq!(ask(Some("all")).await, 401, "{what}");
                let bearer = [("authorization", "Bearer all")];
                assert_eq!(house.send(route.method.as_str(), &path, &bearer, "{}").await.status, 401, "{what}");
            }
            Need::Administrator => {
                assert_eq!(ask(None).await, 401, "{what}");
                assert_eq!(ask(Some("wrong")).await, 401, "{what}");
                assert!(!matches!(ask(Some("none")).await, 401 | 403), "{what}");
            }
            Need::For(case) => {
                let permission = case.permission();
                assert_eq!(ask(None).await, 401, "{what}");
                assert_eq!(ask(Some("wrong")).await, 401, "{what}");
                assert_eq!(ask(Some("none")).await, 403, "{what}");
                for other in AdminPermission::ALL.into_iter().filter(|other| *other != permission) {
                    assert_eq!(ask(Some(other.as_str())).await, 403, "{what} {}", other.as_str());
                }
                let status = ask(Some(permission.as_str())).await;
                assert!(!matches!(status, 401 | 403 | 405), "{what} {status}");
            }
        }
    }
}

#[tokio::test]
async fn each_route_is_closed_to_keys_and_roles_that_it_is_not_for() {
    // A18-17, D-09
    let house = House::new();
    for (interface, route) in Interface::ALL
        .into_iter()
        .flat_map(|interface| interface.routes().into_iter().map(move |route| (interface, route)))
    {
        let Need::For(case) = route.need else { continue };
        let path = concrete(interface, &route);
        let what = format!("{} {path}", route.method);
        let ask = async |key: &str| {
            let answer = house.send(route.method.as_str(), &path, &[("x-sftpgo-api-key", key)], "{}").await;
            (answer.status, answer.text)
        };
        let other = if case.kind() == "role" { "folder.*" } else { "role.*" };
        for closed in [format!("but:{}", case.name()), format!("but:{}.*", case.kind()), format!("only:{other}")] {
            assert_eq!(ask(&closed).await.0, 403, "{what} {closed}");
        }
        for open in [format!("only:{}", case.name()), format!("only:{}.*", case.kind()), "only:*".to_owned()] {
            let (status, text) = ask(&open).await;
            assert_eq!(
                status == 403 && text.contains("no API key may"),
                case.reach() == Reach::People,
                "{what} {text}"
            );
            // Lists of audit records say the same of others.
            let is_closed = status == 401 || (status == 403 && text.contains("scope of the key"));
            assert!(!is_closed, "{what} {open}: {text}");
        }
        let (status, text) = ask("role:sales").await;
        let is_closed = status == 403 && text.contains("has only the accounts of the role");
        assert_eq!(is_closed, case.reach() != Reach::OwnAccounts, "{what} {status} {text}");
    }
}

#[test]
fn operations_have_names_of_their_own() {
    for interface in Interface::ALL {
        let routes = interface.routes();
        let names: BTreeSet<_> = routes.iter().map(|route| route.operation).collect();
        assert_eq!(names.len(), routes.len(), "{interface:?}");
    }
}

#[tokio::test]
async fn credentials_are_those_of_the_interface() {
    // A18-17
    let house = House::new();
    let (name, wrong) = (basic("view_users", "pw"), basic("view_users", "x"));
    let check = async |path: &str, headers: &[(&str, &str)], expected: u16| {
        let answer = house.send("GET", path, headers, "").await;
        assert_eq!(answer.status, expected, "{path} {headers:?}: {}", answer.text);
        assert_eq!(answer.headers.contains_key("www-authenticate"), expected == 401, "{path} {headers:?}");
    };
    check("/api/v1/user", &[("authorization", &name)], 200).await;
    check("/api/v1/user", &[("authorization", &wrong)], 401).await;
    check("/api/v1/user", &[("authorization", "Bearer view_users")], 401).await;
    check("/api/v1/user", &[("x-sftpgo-api-key", "view_users")], 200).await;
    check("/api/v2/users", &[("authorization", &name)], 401).await;
    check("/api/v2/users", &[("authorization", "Bearer view_users")], 200).await;
    check("/api/v2/users", &[("authorization", "bearer view_users")], 200).await;
    check("/api/v2/users", &[("authorization", "Bearer")], 401).await;
    check("/api/v2/users", &[("authorization", "Digest x")], 401).await;
    check("/api/v2/users", &[("authorization", "Basic !")], 401).await;
    check("/api/v2/token", &[("authorization", &name)], 200).await;
    check("/api/v2/token", &[("authorization", &wrong)], 401).await;
    check("/api/v2/token", &[("authorization", "Bearer view_users")], 401).await;
    check("/api/v2/token", &[], 401).await;
    let two_factors = basic("all", "pw2");
    check("/api/v2/token", &[("authorization", &two_factors)], 401).await;
    check("/api/v2/token", &[("authorization", &two_factors), ("x-sftpgo-otp", "123456")], 200).await;
    check("/api/v2/token", &[("authorization", &basic("all", "fast"))], 429).await;
    // Of two credentials, a proxy may have looked at the other one.
    check("/api/v1/user", &[("authorization", &name), ("authorization", &wrong)], 400).await;
    check("/api/v1/user", &[("authorization", &name), ("x-sftpgo-api-key", "all")], 400).await;
}

#[tokio::test]
async fn strangers_are_not_told_where_the_database_is() {
    let house = House::new();
    let password = basic("all", "away");
    for (path, header, value) in [
        ("/api/v1/user", "authorization", password.as_str()),
        ("/api/v2/token", "authorization", password.as_str()),
        ("/api/v2/users", "authorization", "Bearer away"),
        ("/api/v2/users", "x-sftpgo-api-key", "away"),
    ] {
        let answer = house.send("GET", path, &[(header, value)], "").await;
        answer.refused(503, "the database does not answer");
        assert!(!answer.text.contains("db.internal"), "{path} {header}: {}", answer.text);
    }
}

#[tokio::test]
async fn places_are_trusted_as_the_operator_says() {
    // A18-01
    let open = || RestSettings { legacy_open: true, ..RestSettings::default() };
    let local = |address: &str| {
        let client = House::new().client;
        Client { entrance: Entrance::Tcp { is_local: true }, address: Some(address.parse().unwrap()), ..client }
    };
    let check = async |settings: RestSettings, client: Client, path: &str, headers: &[(&str, &str)], expected: u16| {
        let house = House { client: client.clone(), ..House::with(settings) };
        let answer = house.send("GET", path, headers, "").await;
        assert_eq!(answer.status, expected, "{client:?} {path} {headers:?}: {}", answer.text);
    };
    // The requests of this house are for the host files.example.
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let named = || RestSettings { allowed_hosts: names(&["files.example"]), ..open() };
    check(RestSettings::default(), local("127.0.0.1"), "/api/v1/user", &[], 401).await;
    check(open(), local("127.0.0.1"), "/api/v1/user", &[], 403).await;
    check(named(), local("127.0.0.1"), "/api/v1/user", &[], 200).await;
    check(named(), local("127.0.0.1"), "/api/v1/user", &[("origin", "http://evil.example")], 403).await;
    check(named(), local("127.0.0.1"), "/api/v1/loaddata", &[("sec-fetch-site", "cross-site")], 403).await;
    check(named(), local("127.0.0.1"), "/api/v1/user", &[("user-agent", "Mozilla/5.0")], 403).await;
    check(named(), local("127.0.0.1"), "/api/v2/users", &[], 401).await;
    check(named(), local("127.0.0.1"), "/api/tidegate/hooks", &[], 401).await;
    // A proxy on this machine brings it from elsewhere.
    check(named(), local("198.51.100.7"), "/api/v1/user", &[], 401).await;
    check(named(), local("0.0.0.0"), "/api/v1/user", &[], 401).await;
    for mark in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip", "via"] {
        check(named(), local("127.0.0.1"), "/api/v1/user", &[(mark, "127.0.0.1")], 401).await;
    }
    check(named(), House::new().client, "/api/v1/user", &[], 401).await;
    let unix = |entrance| Client { entrance, uid: Some(0), address: None, ..House::new().client };
    check(named(), unix(Entrance::Unix), "/api/v1/user", &[], 200).await;
    check(RestSettings::default(), unix(Entrance::Unix), "/api/v1/user", &[], 403).await;
    // A proxy in front of the socket adds headers.
    check(named(), unix(Entrance::Unix), "/api/v1/user", &[("x-forwarded-for", "198.51.100.7")], 200).await;
    check(named(), unix(Entrance::Unix), "/api/v2/users", &[], 401).await;
    check(named(), unix(Entrance::Unix), "/api/tidegate/hooks", &[], 401).await;
    check(named(), unix(Entrance::Control), "/api/v2/users", &[], 200).await;
    check(named(), unix(Entrance::Control), "/api/tidegate/hooks", &[], 200).await;
}

#[tokio::test]
async fn users_of_the_file_are_served() {
    // A3-53
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "carol:$1$salt$hush\n").unwrap();
    let auth_users = Some(AuthUsers::read(file.path()).unwrap());
    let house = House::with(RestSettings { auth_users, ..RestSettings::default() });
    for (path, password, expected) in
        [("/api/v1/user", "hush", 200), ("/api/v1/user", "x", 401), ("/api/v2/token", "hush", 401)]
    {
        let answer = house.send("GET", path, &[("authorization", &basic("carol", password))], "").await;
        assert_eq!(answer.status, expected, "{path} {password} {}", answer.text);
    }
}

#[tokio::test]
async fn the_file_is_read_at_each_log_in() {
    // A3-53
    let file = tempfile::NamedTempFile::new().unwrap();
    let carol = "carol:$1$salt$hush\n";
    std::fs::write(file.path(), carol).unwrap();
    let auth_users = Some(AuthUsers::read(file.path()).unwrap());
    let house = House::with(RestSettings { auth_users, ..RestSettings::default() });
    let (carol, dave, invalid) = (Some(carol), Some("dave:$1$salt$hush\n"), Some("carol:hush\n"));
    for (text, name, password, expected) in [
        (carol, "carol", "hush", 200),
        (dave, "carol", "hush", 401),
        (dave, "dave", "hush", 200),
        (Some(""), "dave", "hush", 401),
        (Some(""), "all", "pw", 200),
        // What the file had before lets no user in, and a file that the server cannot read scores against no client.
        (invalid, "carol", "hush", 503),
        (invalid, "all", "pw", 503),
        (carol, "carol", "hush", 200),
        (None, "carol", "hush", 503),
    ] {
        match text {
            Some(text) => std::fs::write(file.path(), text).unwrap(),
            None => std::fs::remove_file(file.path()).unwrap(),
        }
        let answer = house.send("GET", "/api/v1/user", &[("authorization", &basic(name, password))], "").await;
        assert_eq!(answer.status, expected, "{text:?} {name}: {}", answer.text);
        assert!(!answer.text.contains(file.path().to_str().unwrap()), "{}", answer.text);
    }
    // No log-in waits for a process that writes to it.
    rustix::fs::mkfifoat(rustix::fs::CWD, file.path(), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let answer = house.send("GET", "/api/v1/user", &[("authorization", &basic("carol", "hush"))], "").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
}

#[tokio::test]
async fn hooks_are_asked_about_users_of_the_file() {
    // A3-53, D-05
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "none-may:$1$salt$hush\nhook-fails:$1$salt$hush\nbob:$1$salt$hush\n").unwrap();
    let auth_users = Some(AuthUsers::read(file.path()).unwrap());
    let house = House::with(RestSettings { auth_users, ..RestSettings::default() });
    for (name, expected) in [("bob", 200), ("none-may", 401), ("hook-fails", 503)] {
        let answer = house.send("GET", "/api/v1/user", &[("authorization", &basic(name, "hush"))], "").await;
        assert_eq!(answer.status, expected, "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn users_of_the_file_are_not_the_owner_of_the_server() {
    // A3-53
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "carol:$1$salt$hush\n").unwrap();
    let auth_users = Some(AuthUsers::read(file.path()).unwrap());
    let api = api(RestSettings { auth_users, ..RestSettings::default() });
    let headers = HeaderMap::from_iter([(AUTHORIZATION, basic("carol", "hush").parse().unwrap())]);
    let found = credentials::actor(&api, Interface::V1, &headers, &House::new().client).await.unwrap();
    assert_eq!((found.actor.author.name.as_str(), &found.actor.permissions), ("carol", &Permissions::All));
    assert_ne!(found.actor.identity, Identity::Owner);
}

#[tokio::test]
async fn only_users_that_the_kernel_names_are_the_owner_of_the_server() {
    // A18-01
    let api = api(RestSettings { legacy_open: true, ..RestSettings::default() });
    let direct: &[(&'static str, &str)] = &[];
    let forwarded: &[(&'static str, &str)] = &[("x-forwarded-for", "127.0.0.1")];
    let local = Entrance::Tcp { is_local: true };
    let own = crate::control::Owner::of_this_process().0;
    let other = own + 1;
    for (entrance, uid, headers, is_owner) in [
        (Entrance::Control, Some(0), direct, true),
        (Entrance::Unix, Some(0), direct, true),
        (Entrance::Unix, Some(own), direct, true),
        (Entrance::Unix, Some(other), direct, false),
        (Entrance::Unix, Some(own), forwarded, false),
        (local, None, direct, false),
    ] {
        let address = Some("127.0.0.1".parse().unwrap()).filter(|_| uid.is_none());
        let client = Client { entrance, uid, address, ..House::new().client };
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            sent.insert(*name, value.parse().unwrap());
        }
        let found = credentials::actor(&api, Interface::V1, &sent, &client).await.unwrap();
        assert_eq!(found.actor.identity == Identity::Owner, is_owner, "{client:?}");
        assert!(found.is_trusted_place && found.actor.permissions == Permissions::All, "{client:?}");
    }
}

#[tokio::test]
async fn pages_in_a_browser_are_refused_everywhere() {
    // A18-01
    let house = House::new();
    for path in ["/api/v1/user", "/api/v2/users", "/api/tidegate/hooks", "/api/v2/token"] {
        let answer = house.based("GET", path, &[("origin", "https://evil.example")], Value::Null).await;
        answer.refused(403, "another origin");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        house.based("OPTIONS", path, &[("origin", "https://evil.example")], Value::Null).await.refused(405, "method");
    }
}

#[tokio::test]
async fn refusals_name_the_object_that_they_are_about() {
    let house = House::new();
    let large = format!("{{\"username\": \"large\", \"x\": \"{}\"}}", "x".repeat(16 << 10));
    for (method, path, body, kind, name) in [
        ("DELETE", "/api/v2/users/alice%20b", "{}", "user", "alice b"),
        ("PUT", "/api/v2/folders/team", "{\"name\": \"other\"}", "folder", "team"),
        ("POST", "/api/v2/apikeys/abc/rotate", "{}", "api_key", "abc"),
        ("PUT", "/api/v2/apikeys/abd", "{\"name\": \"other\"}", "api_key", "abd"),
        ("DELETE", "/api/tidegate/bans?ip=192.0.2.7", "{}", "ban", "192.0.2.7"),
        ("GET", "/api/v1/user/7", "{}", "user", "id 7"),
        ("GET", "/api/v2/users", "{\"username\": \"x\"}", "user", ""),
        ("POST", "/api/v2/users", "{\"username\": \"bob\", \"name\": \"x\"}", "user", "bob"),
        // Another object is another refusal.
        ("POST", "/api/v2/users", "{\"username\": \"carol\"}", "user", "carol"),
        ("POST", "/api/v2/roles", "{\"name\": \"R2\"}", "role", "R2"),
        ("POST", "/api/v2/roles", "{\"name\": \"R3\"}", "role", "R3"),
        ("POST", "/api/tidegate/bans", "{\"ip\": \"192.0.2.8\"}", "ban", "192.0.2.8"),
        ("POST", "/api/v1/quota_scan", "{\"username\": \"bob\"}", "scan", "bob"),
        // Bodies that say no name.
        ("POST", "/api/v2/groups", "{\"name\": 7}", "group", ""),
        ("POST", "/api/v2/folders", "no JSON", "folder", ""),
        ("POST", "/api/v2/admins", large.as_str(), "admin", ""),
    ] {
        let refused = house.send(method, path, &[("x-sftpgo-api-key", "none")], body.to_owned()).await;
        assert_eq!(refused.status, 403, "{path}");
        let newest = house.ask("GET", "/api/tidegate/audit?outcome=refused&limit=1", Value::Null).await;
        let entry = &newest.body["entries"][0];
        assert_eq!((&entry["kind"], &entry["name"]), (&json!(kind), &json!(name)), "{path}");
    }
}
