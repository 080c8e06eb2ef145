//! Where HTTP is served, and which clients may use it beside administrators (A3-50 to A3-53).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tidegate_core::admin::LoginPreScope;
use tidegate_web::Pages;

use super::Config;
use super::keys::HttpBinding as Key;
use super::network::networks;
use super::settings::{HttpAccess, HttpBinding, HttpPlace};
use super::validate::Check;

const DEFAULT_PORT: u16 = 8080;
/// What is said of a key that the older server's configuration sets, and that may be set there by habit.
const WEB_CLIENT: &str = "enable_web_client holds here as well: users have pages at /web/client, where they change their \
                          password, keys and one-time codes; set it to false where they are to have none";

/// The bindings of the list; without one, that of `bind_address` and `bind_port`.
pub(super) fn bindings(config: &Config, directory: &Path, check: &mut Check<'_>) -> Vec<HttpBinding> {
    let httpd = &config.httpd;
    let own = certificate("httpd", &httpd.certificate_file, &httpd.certificate_key_file, directory, check);
    let proxies = networks("httpd.proxy_allowed", &httpd.proxy_allowed, check);
    let keys: Vec<_> = if httpd.bindings.is_empty() {
        let (port, is_chosen) = match httpd.bind_port {
            None => (i32::from(DEFAULT_PORT), false),
            Some(port) => (port, true),
        };
        let enable_https = own.is_some();
        let binding = Key { port, address: httpd.bind_address.clone(), enable_https, ..Key::default() };
        vec![("httpd.bind_address", "httpd.bind_port", binding, is_chosen)]
    } else {
        let bindings = httpd.bindings.iter().cloned();
        bindings.map(|binding| ("httpd.bindings", "httpd.bindings", binding, true)).collect()
    };
    let mut bindings = Vec::new();
    for (address_key, port_key, binding, is_chosen) in keys {
        let Some(place) = place(address_key, port_key, &binding, check) else { continue };
        let key = "httpd.bindings";
        let given = certificate(key, &binding.certificate_file, &binding.certificate_key_file, directory, check);
        let certificate = if binding.enable_https { given.or_else(|| own.clone()) } else { None };
        if binding.enable_https && certificate.is_none() {
            check.problem(key, "enable_https needs certificate_file and certificate_key_file");
        }
        let mut proxies = proxies.clone();
        proxies.extend(networks(key, &binding.proxy_allowed, check));
        if binding.enable_web_client && check.is_of_older_server() {
            check.warning("httpd.bindings", WEB_CLIENT);
        }
        let pages = Pages { has_admin: binding.enable_web_admin, has_client: binding.enable_web_client };
        bindings.push(HttpBinding { place, is_chosen, certificate, proxies, pages });
    }
    bindings
}

/// None: the binding is off, or not valid.
fn place(address_key: &str, port_key: &str, binding: &Key, check: &mut Check<'_>) -> Option<HttpPlace> {
    if binding.address.starts_with('/') {
        return Some(HttpPlace::Unix(PathBuf::from(&binding.address)));
    }
    let text = binding.address.trim_matches(['[', ']']);
    let address = match text {
        "" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        text => text.parse(),
    };
    let address = address.unwrap_or_else(|_| {
        check.problem(address_key, format!("\"{text}\" is not an IP address; use 127.0.0.1"));
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    });
    let port = match binding.port {
        0 => return None,
        -1 => 0,
        port => match u16::try_from(port) {
            Ok(port) => port,
            Err(_) => {
                check.problem(port_key, format!("{port} is not a port; 0 turns HTTP off, -1 takes any free port"));
                return None;
            }
        },
    };
    Some(HttpPlace::Tcp(SocketAddr::new(address, port)))
}

fn certificate(
    section: &str,
    certificate: &str,
    key: &str,
    directory: &Path,
    check: &mut Check<'_>,
) -> Option<(PathBuf, PathBuf)> {
    match (certificate, key) {
        ("", "") => None,
        ("", _) | (_, "") => {
            let key = format!("{section}.certificate_file");
            check.problem(&key, "certificate_file and certificate_key_file go together; give both");
            None
        }
        (certificate, key) => Some((directory.join(certificate), directory.join(key))),
    }
}

pub(super) fn access(config: &Config, directory: &Path, check: &mut Check<'_>) -> HttpAccess {
    let httpd = &config.httpd;
    let is_open = |address: &str| address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let has_loopback = if httpd.bindings.is_empty() {
        is_open(&httpd.bind_address)
    } else {
        httpd.bindings.iter().any(|binding| is_open(&binding.address))
    };
    if httpd.legacy_open && !has_loopback {
        check.problem("httpd.legacy_open", "needs a binding to a loopback address, such as 127.0.0.1");
    }
    for name in &httpd.allowed_hosts {
        if name.is_empty() || name.contains(['/', '*', ' ']) {
            check.problem("httpd.allowed_hosts", format!("\"{name}\" is not the name of a host"));
        }
    }
    if httpd.manage_plugins && config.plugins.trusted_keys.is_empty() {
        check.problem("httpd.manage_plugins", "needs plugins.trusted_keys: only signed plugins are installed");
    }
    let login_pre_scope = match httpd.login_pre_scope.as_str() {
        "logins" => LoginPreScope::Logins,
        "all" => LoginPreScope::All,
        other => {
            check.problem("httpd.login_pre_scope", format!("\"{other}\" is neither \"logins\" nor \"all\""));
            LoginPreScope::All
        }
    };
    let file = Some(&httpd.auth_user_file).filter(|file| !file.is_empty());
    HttpAccess {
        allowed_hosts: httpd.allowed_hosts.clone(),
        legacy_open: httpd.legacy_open,
        manage_plugins: httpd.manage_plugins,
        login_pre_scope,
        first_administrator_code: httpd.first_administrator_code,
        auth_user_file: file.map(|file| directory.join(file)),
    }
}
