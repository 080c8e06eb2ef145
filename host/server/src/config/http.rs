//! The section `http`: the client of all HTTP hooks.

use std::path::Path;
use std::time::Duration;

use tidegate_hooks_external::{HeaderName, HeaderValue, HttpSettings, UrlHeader};

use super::Config;
use super::validate::Check;

/// B0-08
pub fn settings(config: &Config, directory: &Path, check: &mut Check<'_>) -> HttpSettings {
    let http = &config.http;
    if !(http.timeout > 0.0 && http.timeout <= 300.0) {
        check.problem("http.timeout", "must be more than 0 and at most 300 seconds");
    }
    let headers = http.headers.iter().filter_map(|header| {
        match (header.key.parse::<HeaderName>(), HeaderValue::from_str(&header.value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                Some(UrlHeader { name, value, url: header.url.clone() })
            }
            _ => {
                check.problem("http.headers", format!("\"{}\" is not a valid header", header.key));
                None
            }
        }
    });
    let headers = headers.collect();
    let own = http.certificates.iter().flat_map(|pair| [&pair.cert, &pair.key]);
    let files = http.ca_certificates.iter().map(|path| ("http.ca_certificates", path));
    for (key, path) in files.chain(own.map(|path| ("http.certificates", path))) {
        let path = directory.join(path);
        if let Err(error) = std::fs::File::open(&path) {
            check.warning(key, format!("{} cannot be read: {error}", path.display()));
        }
    }
    let certificates = http.certificates.iter().map(|pair| (directory.join(&pair.cert), directory.join(&pair.key)));
    HttpSettings {
        timeout: Duration::try_from_secs_f64(http.timeout).unwrap_or(Duration::from_secs(20)),
        retry_wait_min: Duration::from_secs(http.retry_wait_min),
        retry_wait_max: Duration::from_secs(http.retry_wait_max),
        retry_max: http.retry_max,
        ca_certificates: http.ca_certificates.iter().map(|path| directory.join(path)).collect(),
        certificates: certificates.collect(),
        skip_tls_verify: http.skip_tls_verify,
        headers,
    }
}
