//! TLS of the HTTP client: which servers it trusts, and which of its own certificates it shows a server.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_platform_verifier::Verifier;
use webpki::EndEntityCert;

/// `authorities`: trusted beside those of the system. `trusts_all`: whether any certificate of any
/// server is accepted.
pub fn tls_client(
    authorities: Vec<CertificateDer<'static>>,
    own: ClientCertificates,
    trusts_all: bool,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trusts_all {
        true => Arc::new(TrustsAll(provider.clone())),
        false => Arc::new(Verifier::new_with_extra_roots(authorities, provider.clone())?),
    };
    let versions: &[&SupportedProtocolVersion] = rustls::DEFAULT_VERSIONS;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(match own.0.is_empty() {
        true => builder.with_no_client_auth(),
        false => builder.with_client_cert_resolver(Arc::new(own)),
    })
}

/// The client's own certificates, in the order of the configuration.
#[derive(Debug, Default)]
pub struct ClientCertificates(Vec<ClientCertificate>);

#[derive(Debug)]
struct ClientCertificate {
    key: Arc<CertifiedKey>,
    /// The names of the issuers of the certificate and of the certificates above it.
    issuers: Vec<DistinguishedName>,
}

impl ClientCertificates {
    /// `chain`: the certificate itself, followed by those above it.
    ///
    /// # Errors
    /// The kind of key is unknown, or the key is not that of the certificate.
    pub fn add(&mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), Error> {
        let issuer = |certificate: &CertificateDer<'_>| match EndEntityCert::try_from(certificate) {
            Ok(certificate) => Ok(DistinguishedName::in_sequence(certificate.issuer())),
            Err(error) => Err(Error::Other(OtherError(Arc::new(error)))),
        };
        let issuers = chain.iter().map(issuer).collect::<Result<_, _>>()?;
        let key = Arc::new(CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?);
        self.0.push(ClientCertificate { key, issuers });
        Ok(())
    }
}

impl ResolvesClientCert for ClientCertificates {
    /// The first certificate that the server can check: issued below an authority that the server
    /// names, if it names any, with a signature scheme that it knows (RFC 8446 §4.4.2.3).
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let is_known = |own: &&ClientCertificate| {
            authorities.is_empty() || own.issuers.iter().any(|issuer| authorities.contains(&issuer.as_ref()))
        };
        let mut known = self.0.iter().filter(is_known);
        known.find(|own| own.key.key.choose_scheme(schemes).is_some()).map(|own| own.key.clone())
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// `skip_tls_verify`: for an operator's tests without certificates.
#[derive(Debug)]
struct TrustsAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use crate::http_client::{HttpClients, HttpSettings};

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn authority(name: &str) -> Authority {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// Writes the files of a certificate and its key.
    fn issued(directory: &Path, name: &str, by: &Authority) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name).signed_by(&key, by).unwrap();
        let (at, key_at) = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        std::fs::write(&at, certificate.pem()).unwrap();
        std::fs::write(&key_at, key.serialize_pem()).unwrap();
        (at, key_at)
    }

    /// Answers one request, and returns the certificate that the client showed.
    async fn serve(listener: TcpListener, own: &Authority, trusted: &[&Authority]) -> Option<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        trusted.iter().for_each(|authority| roots.add(authority.der().clone()).unwrap());
        let key = KeyPair::generate().unwrap();
        let certificate = named("server").signed_by(&key, own).unwrap();
        let builder = ServerConfig::builder_with_provider(super::aws_lc_rs::default_provider().into());
        let provider = super::aws_lc_rs::default_provider().into();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let config = builder.with_safe_default_protocol_versions().unwrap().with_client_cert_verifier(verifier);
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(std::sync::Arc::new(config)).accept(socket).await.ok()?;
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream.get_ref().1.peer_certificates().map(|shown| shown[0].to_vec())
    }

    #[tokio::test]
    async fn a_server_is_shown_the_certificate_that_it_asks_for() {
        // A11-12, B0-08
        let directory = tempfile::tempdir().unwrap();
        let (first, second, third) = (authority("first"), authority("second"), authority("third"));
        let own = [issued(directory.path(), "a", &first), issued(directory.path(), "b", &second)];
        let roots = directory.path().join("roots.pem");
        std::fs::write(&roots, [first.pem(), third.pem()].concat()).unwrap();
        let check = async |trusted: &[&Authority], skip_tls_verify: bool, expected: Option<usize>| {
            let settings = HttpSettings {
                ca_certificates: vec![roots.clone()],
                certificates: own.to_vec(),
                skip_tls_verify,
                ..HttpSettings::default()
            };
            let clients = HttpClients::new(settings, true).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
            let request = clients.for_scheme("https").get(url).send();
            let server = if skip_tls_verify { &second } else { &first };
            let (answer, shown) = tokio::join!(request, serve(listener, server, trusted));
            assert_eq!(answer.is_ok(), expected.is_some(), "{expected:?}: {answer:?}");
            let expected = expected.map(|own_at| {
                use rustls::pki_types::pem::PemObject;
                super::CertificateDer::from_pem_file(&own[own_at].0).unwrap().to_vec()
            });
            assert_eq!(shown, expected);
        };
        check(&[&first], false, Some(0)).await;
        check(&[&second], false, Some(1)).await;
        check(&[&second, &first], false, Some(0)).await;
        check(&[&second], true, Some(1)).await;
        // The server could use none of them.
        check(&[&third], false, None).await;
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let own = authority("own");
        let (a, b) = (issued(directory.path(), "a", &own), issued(directory.path(), "b", &own));
        let empty = directory.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        let check = |certificate: &Path, key: &Path, named: &Path| {
            let certificates = vec![(certificate.to_owned(), key.to_owned())];
            let settings = HttpSettings { certificates, ..HttpSettings::default() };
            let error = HttpClients::new(settings, true).err().unwrap().to_string();
            assert!(error.contains(&named.display().to_string()), "{error}");
        };
        check(&empty, &a.1, &empty);
        check(&a.0, &empty, &empty);
        check(&directory.path().join("none"), &a.1, &directory.path().join("none"));
        check(&a.0, &b.1, &a.0);
        check(&a.1, &a.1, &a.1);
    }
}
