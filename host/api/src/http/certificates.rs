//! The certificate of a binding, which is read again when the operator asks for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why certificates cannot be used; the text is for people.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateError(String);

impl std::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CertificateError {}

/// A chain of certificates and its key, from two PEM files.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads both files.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not belong together.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let current = ArcSwap::new(configuration(&certificate, &key)?);
        Ok(Self { certificate, key, current })
    }

    /// Reads the files again; connections from now on are shown the new certificate.
    ///
    /// # Errors
    /// As of [`read`](Self::read); the certificate in use stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.current.store(configuration(&self.certificate, &self.key)?);
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn configuration(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let unusable = |path: &Path, what: &dyn std::fmt::Display| {
        CertificateError(format!("the file {} cannot be used for TLS: {what}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable(certificate, &error))?;
    if chain.is_empty() {
        return Err(unusable(certificate, &"it has no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(certificate, &error))?.with_no_client_auth();
    let mut configuration = builder.with_single_cert(chain, key).map_err(|error| unusable(certificate, &error))?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}
