//! The files that pages need: in the binary, compressed once, and named by their content, so that browsers keep them.

use std::io::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A file with its address.
pub struct Asset {
    name: String,
    kind: &'static str,
    plain: Bytes,
    compressed: Bytes,
}

/// All files.
pub struct Assets {
    pub style: Asset,
    pub script: Asset,
    pub icon: Asset,
}

/// The scripts, which are one file for browsers.
const SCRIPTS: [&[u8]; 3] = [include_bytes!("../assets/htmx/htmx.min.js"), b"\n", include_bytes!("../assets/live.js")];

pub static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new("style", "css", "text/css; charset=utf-8", include_bytes!("../assets/style.css")),
    script: Asset::new("script", "js", "text/javascript; charset=utf-8", &SCRIPTS.concat()),
    icon: Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
});

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, plain: &[u8]) -> Self {
        let digest = Sha256::digest(plain);
        let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let compressed = gzip(plain, Compression::best()).into();
        Self { name: format!("{stem}.{hash}.{ending}"), kind, plain: Bytes::copy_from_slice(plain), compressed }
    }

    /// The path of the file.
    pub fn path(&self) -> String {
        format!("/web/static/{}", self.name)
    }
}

/// The bytes compressed; as they are, should that ever fail.
pub fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // A vector takes all bytes.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Bytes of all files, as they are sent on the first visit.
#[cfg(test)]
pub fn size_of_all() -> usize {
    let Assets { style, script, icon } = &*ASSETS;
    [style, script, icon].map(|asset| asset.compressed.len()).iter().sum()
}

/// Whether the client takes compressed answers.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let value = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let is_refused = |parameter: &str| parameter.replace(' ', "").trim_end_matches(['0', '.']) == "q=";
        parts.next() == Some("gzip") && !parts.next().is_some_and(is_refused)
    })
}

/// Answers with a file.
pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Assets { style, script, icon } = &*ASSETS;
    let Some(asset) = [style, script, icon].into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = if takes_gzip(&headers) {
        let mut response = asset.compressed.clone().into_response();
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        asset.plain.clone().into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn htmx_is_the_version_that_the_pages_are_made_for_with_its_licence() {
        assert!(include_str!("../assets/htmx/htmx.min.js").contains("version:\"2.0."));
        assert!(include_str!("../assets/htmx/LICENSE").starts_with("Zero-Clause BSD"));
    }

    #[test]
    fn files_ask_for_nothing() {
        let (style, script) = (include_str!("../assets/style.css"), include_str!("../assets/live.js"));
        for text in ["url(", "@import", "http:", "https:"] {
            assert!(!style.contains(text) && !script.contains(text), "{text}");
        }
    }

    #[test]
    fn compressed_answers_are_for_clients_that_take_them() {
        let check = |value: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(takes_gzip(&headers), expected, "{value}");
        };
        check("gzip", true);
        check("br, gzip;q=0.5", true);
        check("gzip;q=0", false);
        check("gzip; q=0.0", false);
        check("br", false);
        check("xgzip", false);
    }
}
