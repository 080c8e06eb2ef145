//! The options of connections for mysql_async.

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use tidegate_core::ports::StoreError;

use crate::sql::remote::{DatabaseServerSettings, TlsMode, certificates, is_path, private_key, unreadable};

/// The socket in a directory, where Debian has it.
const SOCKET: &str = "mysqld.sock";
/// Statements that are kept prepared for each connection.
const STATEMENTS_KEPT: usize = 64;

/// The name that is looked for in a certificate that may be for any name. mysql_async 0.37 recognises the error that
/// it shall pass over by this word, which the text of rustls's error does not have any more, other than as the name
/// that was looked for (mysql_async's issue 404). The error is that of a certificate whose authority was checked before.
const ANY_NAME: &str = "NotValidForName";

/// What all connections have in common; certificates are read here.
pub fn common(settings: &DatabaseServerSettings) -> Result<Opts, StoreError> {
    let mut options = OptsBuilder::default()
        .user(Some(settings.username.as_str()))
        .db_name(Some(settings.database.as_str()))
        // A server of this machine is asked where the configuration says, not at the socket that it names.
        .prefer_socket(false)
        .stmt_cache_size(STATEMENTS_KEPT)
        .tcp_keepalive(Some(settings.answer_timeout * 5))
        // Rows that an UPDATE found count, whether their values are new or not.
        .client_found_rows(true);
    if settings.tls != TlsMode::Disable {
        options = options.ssl_opts(tls(settings)?);
    }
    Ok(options.into())
}

/// The options for one host.
pub fn of_host(common: &Opts, (host, port): (&str, u16), password: Option<&str>) -> OptsBuilder {
    let options = OptsBuilder::from_opts(common.clone()).pass(password);
    if is_path(host) {
        options.socket(Some(socket(host))).ssl_opts(None::<SslOpts>)
    } else {
        options.ip_or_hostname(host).tcp_port(port)
    }
}

/// The path of the socket: `host`, or the one in that directory.
pub fn socket(host: &str) -> String {
    if host.ends_with(".sock") { host.to_owned() } else { format!("{}/{SOCKET}", host.trim_end_matches('/')) }
}

fn tls(settings: &DatabaseServerSettings) -> Result<SslOpts, StoreError> {
    let mut options = SslOpts::default();
    if let Some((certificate, key)) = &settings.client_cert {
        // Looked at now, so that an error names the file.
        certificates(certificate, "client_cert")?;
        private_key(key)?;
        let [certificate, key] = [(certificate, "client_cert"), (key, "client_key")]
            .map(|(file, name)| std::fs::read(file).map_err(|error| unreadable(file, name, &error)));
        options = options.with_client_identity(Some(ClientIdentity::new(certificate?.into(), key?.into())));
    }
    if matches!(settings.tls, TlsMode::VerifyCa | TlsMode::VerifyFull) {
        let found = match &settings.root_cert {
            Some(file) => certificates(file, "root_cert")?,
            None => system()?,
        };
        let found = found.into_iter().map(|certificate| certificate.to_vec().into());
        options = options.with_root_certs(found.collect()).with_disable_built_in_roots(true);
        if settings.tls == TlsMode::VerifyCa {
            options =
                options.with_danger_skip_domain_validation(true).with_danger_tls_hostname_override(Some(ANY_NAME));
        }
    } else {
        options = options.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true);
    }
    Ok(options)
}

/// The certificates of authorities that the system trusts.
fn system() -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, StoreError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let problems: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let problems = if problems.is_empty() { "there are none".to_owned() } else { problems.join(", ") };
        return Err(StoreError::Failed(format!(
            "the system's certificate authorities cannot be used: {problems}; name a file with them in data_provider.root_cert"
        )));
    }
    Ok(found.certs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_socket_or_its_directory() {
        // A3-32
        for (host, expected) in [
            ("/run/mysqld", "/run/mysqld/mysqld.sock"),
            ("/run/mysqld/", "/run/mysqld/mysqld.sock"),
            ("/run/mysqld/other.sock", "/run/mysqld/other.sock"),
        ] {
            assert_eq!(socket(host), expected);
        }
        // Any other host has a port, and no socket.
        let common = OptsBuilder::default().into();
        for (host, path) in [("/run/x.sock", Some("/run/x.sock")), ("db", None), ("::1", None)] {
            let options = Opts::from(of_host(&common, (host, 3307), None));
            assert_eq!(options.socket(), path, "{host}");
            if path.is_none() {
                assert_eq!((options.ip_or_hostname(), options.tcp_port()), (host, 3307));
            }
        }
    }
}
