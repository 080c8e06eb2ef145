//! From which addresses clients may connect, and through which proxies.

use ipnet::IpNet;
use tidegate_core::network;
use tidegate_ssh::{ConnectionLimits, ProxyRule, ProxySettings};

use super::Config;
use super::validate::Check;

pub(super) fn proxy(config: &Config, check: &mut Check<'_>) -> ProxySettings {
    let common = &config.common;
    let rule = match common.proxy_protocol {
        0 => ProxyRule::Ignore,
        1 => ProxyRule::Optional,
        2 => ProxyRule::Required,
        other => {
            check.problem("common.proxy_protocol", format!("{other} is not 0, 1 or 2"));
            ProxyRule::Ignore
        }
    };
    if rule != ProxyRule::Ignore && common.proxy_allowed.is_empty() {
        let text = "is empty, so every host could set the address of a client; list the proxies";
        check.warning("common.proxy_allowed", text);
    }
    if rule == ProxyRule::Ignore && !common.proxy_allowed.is_empty() {
        check.warning("common.proxy_allowed", "has no effect while proxy_protocol is 0");
    }
    ProxySettings {
        rule,
        allowed: networks("common.proxy_allowed", &common.proxy_allowed, check),
        skipped: networks("common.proxy_skipped", &common.proxy_skipped, check),
    }
}

/// Reads a list of networks or single addresses.
pub(super) fn networks(key: &str, texts: &[String], check: &mut Check<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in texts {
        match network::parse(text) {
            Some(network) => networks.push(network),
            None => check.problem(key, format!("\"{text}\" is neither an address nor a network")),
        }
    }
    networks
}

pub(super) fn limits(config: &Config) -> ConnectionLimits {
    let common = &config.common;
    ConnectionLimits { total: common.max_total_connections, per_host: common.max_per_host_connections }
}
