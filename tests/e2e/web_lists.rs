//! Lists of the web admin that refresh themselves: for a moment the server gives them again to the same browser, and to
//! no administrator who may see something else.

use std::process::Command;

use tidegate_tests::raw_sftp::RawSftp;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

use crate::web::admin;

const PASSWORD: &str = "a-long-password";
const CONNECTIONS: &str = "/web/connections?part=table";

/// A browser of an administrator.
struct Browser<'a> {
    server: &'a Server,
    /// A file with its cookie.
    cookies: String,
}

impl<'a> Browser<'a> {
    fn of(site: &Site, server: &'a Server, name: &str) -> Self {
        let cookies = site.path(&format!("{name}.cookies")).to_str().unwrap().to_owned();
        let browser = Self { server, cookies };
        let form = format!("username={name}&password={PASSWORD}");
        let said = browser.curl(&["--cookie-jar", &browser.cookies, "--data", &form], "/web/login");
        assert!(said.starts_with("HTTP/1.1 303"), "{said}");
        browser
    }

    fn curl(&self, more: &[&str], path: &str) -> String {
        let origin = format!("http://127.0.0.1:{}", self.server.http_port);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "60", "--cookie", &self.cookies]);
        tools::run_ok(curl.args(["--header", &format!("Origin: {origin}")]).args(more).arg(format!("{origin}{path}")))
    }

    /// The list of connections, as its page asks for it.
    fn connections(&self, status: u16) -> String {
        let said = self.curl(&["--header", "hx-request: true"], CONNECTIONS);
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{} {status}: {said}", self.cookies);
        said
    }
}

#[test]
fn a_list_is_given_again_to_who_may_see_it_alone() {
    // A19-04
    let site = Site::new();
    site.user("ada");
    ["root", "second"].iter().for_each(|name| admin(&site, name));
    tools::run_ok(&mut site.tidegate(&["role", "add", "--name", "sales"]));
    let of_sales = ["--permissions", "view_conns,view_users", "--role", "sales"];
    for (name, more) in [("sales", of_sales.as_slice()), ("guest", ["--permissions", "view_users"].as_slice())] {
        tools::run_ok(site.tidegate(&["admin", "add", "--username", name, "--password", PASSWORD]).args(more));
    }
    let server = site.start();
    let _session = RawSftp::connect(&server, "ada", "pw");
    let [root, second, sales, guest] =
        ["root", "second", "sales", "guest"].map(|name| Browser::of(&site, &server, name));
    let stranger = Browser { server: &server, cookies: "none=".to_owned() };
    for _ in 0..3 {
        assert!(root.connections(200).contains(">ada<"));
        let of_sales = sales.connections(200);
        assert!(!of_sales.contains(">ada<") && of_sales.contains("No session is open."), "{of_sales}");
        guest.connections(403);
        stranger.connections(401);
        assert!(second.connections(200).contains(">ada<"));
    }
    // A log-out holds at once, and takes nothing from others.
    root.connections(200);
    let out = root.curl(&["--data", ""], "/web/logout");
    assert!(out.starts_with("HTTP/1.1 303"), "{out}");
    root.connections(401);
    second.connections(200);
    // So does what a command changes, soon.
    tools::run_ok(&mut site.tidegate(&["admin", "update", "--username", "second", "--status", "0"]));
    waiting::until("the list is refused", || {
        second.curl(&["--header", "hx-request: true"], CONNECTIONS).starts_with("HTTP/1.1 401")
    });
}
