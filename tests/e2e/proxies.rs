//! `/api/v1` behind the proxies of the examples: one passes Basic on, one asks for it before a unix socket.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;
use tempfile::TempDir;
use tidegate_tests::server::Site;
use tidegate_tests::{processes, tools, waiting};

/// The user that runs proxies on Debian.
const USER: &str = "www-data";
/// In nginx's and Apache's own configuration, which includes the example. `DIRECTORY` is the test's.
const NGINX: &str = "daemon off;
pid DIRECTORY/pid;
events {}
http {
    access_log off;
    client_body_temp_path DIRECTORY/body;
    proxy_temp_path DIRECTORY/proxy;
    fastcgi_temp_path DIRECTORY/fastcgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    scgi_temp_path DIRECTORY/scgi;
    include DIRECTORY/example.conf;
}
";
const APACHE: &str = "ServerRoot /usr/lib/apache2
ServerName 127.0.0.1
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authn_core_module modules/mod_authn_core.so
LoadModule authn_file_module modules/mod_authn_file.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule authz_user_module modules/mod_authz_user.so
LoadModule auth_basic_module modules/mod_auth_basic.so
LoadModule headers_module modules/mod_headers.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
DefaultRuntimeDir DIRECTORY
PidFile DIRECTORY/pid
ErrorLog DIRECTORY/error.log
Include DIRECTORY/example.conf
";

/// A proxy, which ends its processes when it is told to.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        processes::signal("TERM", [self.0.id()]);
        let _ = self.0.wait();
    }
}

/// The example with the test's places in those of a real system, each of which it has to have.
fn example(name: &str, places: &[(&str, &str)]) -> String {
    let path = tools::root().join("examples/proxies").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    // In two steps: a port here may have the digits of one of theirs.
    for (index, (real, _)) in places.iter().enumerate() {
        assert!(text.contains(real), "{name} has no {real}");
        text = text.replace(real, &format!("<{index}>"));
    }
    for (index, (_, here)) in places.iter().enumerate() {
        text = text.replace(&format!("<{index}>"), here);
    }
    text
}

/// A certificate and its key, and the file of users of the proxy, whose password is "secret".
fn write_secrets(directory: &Path) {
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"]);
    tools::run_ok(openssl.arg(file("proxy.key")).args(["-out", &file("proxy.pem")]));
    std::fs::write(file("proxy.users"), "dave:$apr1$ZjTqBB3f$vX2yS7We8n3.QXwkPVpXD1\n").unwrap();
    for name in ["proxy.key", "proxy.pem", "proxy.users"] {
        processes::give(&directory.join(name), USER);
    }
}

/// The status of a request from another address of this machine, which says that it comes from elsewhere.
fn status(url: &str, arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--max-time", "30", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    curl.args(["--interface", "127.0.0.9", "--header", "X-Forwarded-For: 198.51.100.7"]).args(arguments).arg(url);
    String::from_utf8(tools::run(&mut curl).stdout).unwrap()
}

fn check(name: &str, program: &str, arguments: &[&str], main: &str) {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap().to_owned();
    processes::give(directory.path(), USER);
    write_secrets(directory.path());
    let site = Site::new();
    // Only the server's owner places homes beside its database.
    let homes = format!("[data_provider]\nhomes = [\"{}\"]\n", site.path("homes").display());
    let site = site.config(&homes);
    // Carol's password is "secret".
    site.write("users", "carol:$2b$04$i9xuFrS2HTGXwdcnzRG0eOJF0oV6scSd3zA4WcDZiY0yTHJPo/5zS\n");
    let socket = format!("{here}/http.sock");
    let port = json!({"port": -1, "address": "127.0.0.1", "proxy_allowed": ["127.0.0.1"]});
    let bindings = json!([port, {"address": socket}]).to_string();
    let server =
        site.start_with(&[("TIDEGATE_HTTPD__BINDINGS", &bindings), ("TIDEGATE_HTTPD__AUTH_USER_FILE", "users")]);
    processes::give(Path::new(&socket), USER);
    let [passes, asks] = [processes::free_port(), processes::free_port()];
    let text = example(
        name,
        &[
            ("127.0.0.1:8080", &format!("127.0.0.1:{}", server.http_port)),
            ("8443", &passes.to_string()),
            ("8444", &asks.to_string()),
            ("/run/tidegate/http.sock", &socket),
            ("/etc/tidegate/", &format!("{here}/")),
        ],
    );
    std::fs::write(directory.path().join("example.conf"), text).unwrap();
    std::fs::write(directory.path().join("main.conf"), main.replace("DIRECTORY", &here)).unwrap();
    let mut command = processes::as_user(USER, Path::new(program), "TERM");
    command.args(arguments).arg(directory.path().join("main.conf"));
    let _proxy = Proxy(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; run tests/install")));
    waiting::until("the proxy listens", || {
        [passes, asks].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
    });
    for (port, known, unknown) in [(passes, "carol:secret", "dave:secret"), (asks, "dave:secret", "carol:secret")] {
        let url = |path: &str| format!("https://127.0.0.1:{port}/api/{path}");
        let users = url("v1/user");
        assert_eq!(status(&users, &[]), "401", "{name} {known}");
        assert_eq!(status(&users, &["--user", unknown]), "401", "{name} {known}");
        assert_eq!(status(&users, &["--user", &known.replace("secret", "wrong")]), "401", "{name} {known}");
        assert_eq!(status(&users, &["--user", known]), "200", "{name} {known}: {}", server.log());
        // It is known from where the request comes, whatever the client says.
        server.wait_for(|line| line["resp_status"] == 200 && line["remote_addr"] == "127.0.0.9");
        // A browser sends what it was told once, whichever page asks.
        assert_eq!(
            status(&users, &["--user", known, "--header", "Origin: https://evil.example"]),
            "403",
            "{name} {known}"
        );
        assert_eq!(
            status(&users, &["--user", known, "--header", "Sec-Fetch-Site: cross-site"]),
            "403",
            "{name} {known}"
        );
        let other = status(&url("v2/users"), &["--user", known]);
        assert!(other == "404" || other == "403", "{name} {known}: {other}");
        let mut older = Command::new(tools::python());
        older.arg(tools::root().join("tests/clients/rest_v1.py")).args(["-b", &format!("https://127.0.0.1:{port}")]);
        let (user, password) = known.split_once(':').unwrap();
        older.args(["--insecure", "-a", "basic", "-u", user, "-p", password]);
        let user = format!("by-{user}");
        older.args(["add-user", &user, "-P", "pw", "-H"]).arg(site.path(&format!("homes/{user}")));
        let said = tools::run_ok(&mut older);
        assert!(said.contains(&user) && said.contains("\"status\": 200"), "{name} {known}: {said}");
    }
}

#[test]
fn the_older_interface_works_behind_nginx() {
    // A18-01, A3-53
    check("nginx.conf", "/usr/sbin/nginx", &["-e", "stderr", "-c"], NGINX);
}

#[test]
fn the_older_interface_works_behind_apache() {
    // A18-01, A3-53
    check("apache.conf", "/usr/sbin/apache2", &["-DFOREGROUND", "-f"], APACHE);
}
