//! Where users come to their pages, as far as the configuration says so.

use std::net::IpAddr;

use tidegate_api::ClientPages;

use super::Settings;
use super::settings::{HttpBinding, HttpPlace};

impl Settings {
    /// The pages of users; None: no binding has them. Their address is known where `httpd.allowed_hosts` names the server:
    /// users log in where requests are encrypted, by the binding itself or by a proxy before it.
    pub fn client_pages(&self) -> Option<ClientPages> {
        let bindings = || self.http_bindings.iter().filter(|binding| binding.pages.has_client);
        let binding = bindings().find(|binding| binding.certificate.is_some()).or_else(|| bindings().next())?;
        let name = self.http_access.allowed_hosts.iter().find(|name| !is_of_this_machine(name));
        Some(ClientPages { origin: name.and_then(|name| origin(name, binding)) })
    }
}

/// None: the binding takes any free port.
fn origin(name: &str, binding: &HttpBinding) -> Option<String> {
    if has_port(name) {
        return Some(format!("https://{name}"));
    }
    match (&binding.certificate, &binding.place) {
        (Some(_), HttpPlace::Tcp(address)) => match address.port() {
            0 => None,
            443 => Some(format!("https://{name}")),
            port => Some(format!("https://{name}:{port}")),
        },
        (None, _) | (_, HttpPlace::Unix(_)) => Some(format!("https://{name}")),
    }
}

fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_of_this_machine(name: &str) -> bool {
    let host = match name.rsplit_once(':') {
        Some((host, _)) if has_port(name) => host,
        _ => name,
    };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Config, Source, format, validate};

    #[test]
    fn links_lead_to_the_name_and_the_port_that_users_use() {
        // D-11
        let check = |text: &str, expected: Option<Option<&str>>| {
            let path = PathBuf::from("/srv/tidegate.toml");
            let defaults = serde_json::to_value(Config::default()).unwrap();
            let value = format::parse(&path, text, &defaults).unwrap();
            let config: Config = serde_json::from_value(value).unwrap();
            let source = Source { path: Some(path), text: text.to_owned() };
            let settings = validate::settings(&config, &source, &PathBuf::from("/srv")).unwrap();
            let found = settings.client_pages();
            let found = found.as_ref().map(|pages| pages.login_link("C").url);
            let link = |origin: &str| format!("{origin}/web/client/login-link?code=C");
            assert_eq!(found, expected.map(|origin| origin.map(link)), "{text}");
        };
        let names = |names: &str| format!("[httpd]\nallowed_hosts = [{names}]\n");
        let binding = |keys: &str| format!("[[httpd.bindings]]\naddress = \"127.0.0.1\"\n{keys}\n");
        let tls = "certificate_file = \"c\"\ncertificate_key_file = \"k\"\nenable_https = true\n";
        let on = "enable_web_client = true\n";
        let with = |listed: &str, keys: &str| format!("{}{}", names(listed), binding(keys));
        check("", None);
        check(&with("\"files.example.com\"", "port = 8080"), None);
        check(&with("", &format!("port = 8080\n{on}")), Some(None));
        check(&with("\"localhost\", \"127.0.0.1:8080\", \"[::1]\"", &format!("port = 8080\n{on}")), Some(None));
        // A proxy before it encrypts.
        let plain = format!("port = 8080\n{on}");
        check(&with("\"localhost\", \"files.example.com\"", &plain), Some(Some("https://files.example.com")));
        check(&with("\"files.example.com:8443\"", &plain), Some(Some("https://files.example.com:8443")));
        check(&with("\"[2001:db8::1]\"", &plain), Some(Some("https://[2001:db8::1]")));
        for (port, expected) in
            [("443", Some("https://files.example.com")), ("8443", Some("https://files.example.com:8443")), ("-1", None)]
        {
            check(&with("\"files.example.com\"", &format!("port = {port}\n{on}{tls}")), Some(expected));
        }
    }
}
