//! Reads the files of certificates and keys.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegate_core::ports::StoreError;

/// The certificates in a file; `key`: of the configuration.
pub fn certificates(file: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| unreadable(file, key, &error))?;
    if found.is_empty() {
        return Err(unreadable(file, key, &"it has no certificate in PEM"));
    }
    Ok(found)
}

/// The key of the client's certificate.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, StoreError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(file, "client_key", &error))
}

/// A file cannot be used.
pub fn unreadable(file: &Path, key: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("{} cannot be used: {error}; correct data_provider.{key}", file.display()))
}
