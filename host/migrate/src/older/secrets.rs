//! Secrets in `filesystem` and `filters` (A8-15, C4-02): texts of the first eras with their own key are
//! decrypted; what later eras have encrypted with a key from elsewhere stays as it is, and is noted.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Map, Value, json};

use crate::account::printable;

/// The fields of accounts, folders and groups that are file systems, or have some.
const FILE_SYSTEMS: [&str; 3] = ["filesystem", "virtual_folders", "user_settings"];
/// Marks a text that is encrypted, with the key beside it.
const MARK: &str = "$aes$";
/// The states of secrets that are encrypted with a key of the older server, or of a service that it used.
const ENCRYPTED: [&str; 7] =
    ["AES-256-GCM", "Secretbox", "GCP", "AWS", "VaultTransit", "AzureKeyVault", "OracleKeyVault"];

/// What became of the secrets of one document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The fields that were decrypted.
    pub decrypted: Vec<String>,
    /// The fields that cannot be read here, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Decrypts the secrets of file systems that have their key with them, in the document of an account, a folder or a
/// group. Others stay as they are, to be refused where they are read.
pub fn decrypt_file_systems(document: &mut Map<String, Value>) {
    for field in FILE_SYSTEMS {
        if let Some(value) = document.get_mut(field) {
            decrypt(value, field, &mut Outcome::default());
        }
    }
}

/// The text of a `filesystem` with its secrets decrypted, as [`decrypt_file_systems`] does; None: it is no JSON, which is
/// the problem of its account, or none of them can be.
pub fn decrypted_file_system(text: &str) -> Option<String> {
    let mut filesystem: Value = serde_json::from_str(text).ok()?;
    let mut outcome = Outcome::default();
    decrypt(&mut filesystem, "filesystem", &mut outcome);
    (!outcome.decrypted.is_empty()).then(|| filesystem.to_string())
}

/// Decrypts secrets anywhere in the value. `path`: its name.
pub fn decrypt(value: &mut Value, path: &str, outcome: &mut Outcome) {
    match value {
        Value::String(text) if text.starts_with(MARK) => match decrypted(text) {
            Ok(clear) => {
                outcome.decrypted.push(path.to_owned());
                *value = json!({"status": "Plain", "payload": clear});
            }
            Err(problem) => outcome.unreadable.push((path.to_owned(), problem.to_owned())),
        },
        Value::Object(fields) => {
            let status = fields.get("status").and_then(Value::as_str).unwrap_or_default();
            if status == "Redacted" {
                outcome.unreadable.push((path.to_owned(), "it was left out of the document".to_owned()));
            } else if ENCRYPTED.contains(&status) || (has_payload(fields) && !matches!(status, "" | "Plain")) {
                let problem = format!("it is encrypted ({}) with a key of the older server", printable(status));
                outcome.unreadable.push((path.to_owned(), problem));
            }
            for (name, inner) in fields {
                decrypt(inner, &format!("{path}.{name}"), outcome);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                decrypt(item, &format!("{path}.{index}"), outcome);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn has_payload(secret: &Map<String, Value>) -> bool {
    secret.get("payload").and_then(Value::as_str).is_some_and(|payload| !payload.is_empty())
}

/// `$aes$KEY$HEX`: the 32 characters of the key are its bytes; HEX has the nonce, the text and its tag.
fn decrypted(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix(MARK).unwrap_or_default();
    let (key, sealed) = rest.split_once('$').ok_or("its key was left out of the document")?;
    let key = UnboundKey::new(&AES_256_GCM, key.as_bytes()).map_err(|_| "its key has not 32 characters")?;
    let sealed = bytes_of(sealed).ok_or("it is no hexadecimal text")?;
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or("it is too short")?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| "it is too short")?;
    let mut buffer = sealed.to_vec();
    let key = LessSafeKey::new(key);
    let clear = key.open_in_place(nonce, Aad::empty(), &mut buffer).map_err(|_| "its key does not fit")?;
    String::from_utf8(clear.to_vec()).map_err(|_| "it is no text")
}

fn bytes_of(hexadecimal: &str) -> Option<Vec<u8>> {
    if !hexadecimal.len().is_multiple_of(2) || !hexadecimal.is_ascii() {
        return None;
    }
    let digits = hexadecimal.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair.filter(|pair| !pair.starts_with('+'))?, 16).ok()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    pub(crate) fn sealed(clear: &str) -> String {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, KEY.as_bytes()).unwrap());
        let nonce = [7; NONCE_LEN];
        let mut buffer = clear.as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut buffer).unwrap();
        let hexadecimal: String = nonce.iter().chain(&buffer).map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK}{KEY}${hexadecimal}")
    }

    /// `expected`: the payload, or a part of what is wrong.
    fn check(text: &str, expected: &str) {
        let mut value = json!({"s3config": {"access_secret": text}});
        let mut outcome = Outcome::default();
        decrypt(&mut value, "filesystem", &mut outcome);
        match outcome.unreadable.first() {
            Some((field, problem)) => {
                assert_eq!(field, "filesystem.s3config.access_secret");
                assert!(problem.contains(expected), "{text}: {problem}");
            }
            None => assert_eq!(value["s3config"]["access_secret"]["payload"], expected, "{text}"),
        }
    }

    #[test]
    fn secrets_with_their_key_are_decrypted() {
        // A8-15
        check(&sealed("hush"), "hush");
        check(&sealed("ü"), "ü");
        check(&format!("{MARK}00ff"), "left out");
        check(&format!("{MARK}short$00ff"), "32 characters");
        check(&format!("{MARK}{KEY}$xyz"), "hexadecimal");
        check(&format!("{MARK}{KEY}$+1+2"), "hexadecimal");
        check(&format!("{MARK}{KEY}$üü"), "hexadecimal");
        check(&format!("{MARK}{KEY}$00ff"), "too short");
        check(&sealed("hush").replace("$07", "$08"), "does not fit");
    }

    #[test]
    fn documents_of_the_older_server_are_read_with_their_secrets() {
        // A8-15
        let check = |text: &str, expected: Value| {
            let filesystem = |secret: Value| json!({"provider": 1, "s3config": {"access_secret": secret}});
            let of = |secret: Value| {
                json!({
                    "description": text, "filesystem": filesystem(secret.clone()),
                    "virtual_folders": [{"filesystem": filesystem(secret.clone())}],
                    "user_settings": {"filesystem": filesystem(secret)},
                })
            };
            let mut document = of(json!(text)).as_object().cloned().unwrap();
            decrypt_file_systems(&mut document);
            assert_eq!(Value::Object(document), of(expected), "{text}");
        };
        check(&sealed("hush"), json!({"status": "Plain", "payload": "hush"}));
        check("clear", json!("clear"));
        check("$aes$00ff", json!("$aes$00ff"));
    }

    #[test]
    fn file_systems_of_rows_are_decrypted() {
        // A8-15
        let text = |secret: &str| json!({"provider": 1, "s3config": {"access_secret": secret}}).to_string();
        let clear = decrypted_file_system(&text(&sealed("hush"))).unwrap();
        assert!(clear.contains(r#"{"status":"Plain","payload":"hush"}"#), "{clear}");
        for text in [text("clear"), text("$aes$00ff"), "{".to_owned()] {
            assert_eq!(decrypted_file_system(&text), None);
        }
    }

    #[test]
    fn secrets_of_later_eras_are_noted() {
        // C4-02
        for (status, payload, expected) in [
            ("AES-256-GCM", "x", 1),
            ("Secretbox", "", 1),
            ("OfALaterVersion", "x", 1),
            ("Redacted", "", 1),
            ("Plain", "x", 0),
            ("", "", 0),
        ] {
            let mut value = json!([{"secret": {"status": status, "payload": payload}}]);
            let (before, mut outcome) = (value.clone(), Outcome::default());
            decrypt(&mut value, "filters", &mut outcome);
            let found = (outcome.unreadable.len(), outcome.decrypted.len());
            assert_eq!((value, found), (before, (expected, 0)), "{status}");
        }
    }
}
