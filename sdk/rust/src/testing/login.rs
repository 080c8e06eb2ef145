use super::Account;
use crate::{AccessError, LoginMethod, Protocol, Timestamp};

/// From 192.0.2.1 unless the test says otherwise.
#[derive(Debug, Clone)]
pub struct Connection {
    pub remote_ip: String,
    pub remote_port: u16,
    pub local_address: String,
    pub client_software: Option<String>,
    pub opened_at: Timestamp,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            remote_ip: "192.0.2.1".to_owned(),
            remote_port: 50_000,
            local_address: "198.51.100.1:22".to_owned(),
            client_software: Some("SSH-2.0-test".to_owned()),
            opened_at: 1_700_000_000,
        }
    }
}

impl Connection {
    pub fn from_ip(ip: &str) -> Self {
        Self { remote_ip: ip.to_owned(), ..Self::default() }
    }

    pub fn id(&self) -> String {
        "SSH_test".to_owned()
    }

    pub fn protocol(&self) -> Protocol {
        Protocol::Sftp
    }

    pub fn remote_ip(&self) -> String {
        self.remote_ip.clone()
    }

    pub fn remote_port(&self) -> u16 {
        self.remote_port
    }

    pub fn local_address(&self) -> String {
        self.local_address.clone()
    }

    pub fn client_software(&self) -> Option<String> {
        self.client_software.clone()
    }

    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }
}

#[derive(Debug, Clone)]
pub struct LoginAttempt {
    connection: Connection,
    username: String,
    method: LoginMethod,
    password: Option<String>,
    password_granted: bool,
    hash: Option<String>,
    key: Option<String>,
    completed: Vec<LoginMethod>,
    stored: Option<Account>,
}

impl LoginAttempt {
    fn new(username: &str, method: LoginMethod) -> Self {
        Self {
            connection: Connection::default(),
            username: username.to_owned(),
            method,
            password: None,
            password_granted: false,
            hash: None,
            key: None,
            completed: Vec::new(),
            stored: None,
        }
    }

    pub fn with_password(username: &str, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..Self::new(username, LoginMethod::Password) }
    }

    /// `key`: one line, as in `authorized_keys`.
    pub fn with_public_key(username: &str, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::new(username, LoginMethod::PublicKey) }
    }

    pub fn keyboard_interactive(username: &str) -> Self {
        Self::new(username, LoginMethod::KeyboardInteractive)
    }

    /// The hash that `password_matches` takes for one of the password.
    pub fn whose_hash_is(self, hash: &str) -> Self {
        Self { hash: Some(hash.to_owned()), ..self }
    }

    /// As if the operator had granted `credentials`.
    pub fn with_credentials_granted(self) -> Self {
        Self { password_granted: true, ..self }
    }

    pub fn from(self, connection: Connection) -> Self {
        Self { connection, ..self }
    }

    pub fn of_stored(self, account: Account) -> Self {
        Self { stored: Some(account), ..self }
    }

    pub fn after(self, completed: Vec<LoginMethod>) -> Self {
        Self { completed, ..self }
    }

    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    pub fn username(&self) -> String {
        self.username.clone()
    }

    pub fn method(&self) -> LoginMethod {
        self.method.clone()
    }

    pub fn completed_methods(&self) -> Vec<LoginMethod> {
        self.completed.clone()
    }

    pub fn stored_account(&self) -> Option<Account> {
        self.stored.clone()
    }

    pub fn password(&self) -> Result<String, AccessError> {
        if !self.password_granted {
            return Err(AccessError::NotGranted("credentials".to_owned()));
        }
        self.password.clone().ok_or(AccessError::Absent)
    }

    pub fn password_matches(&self, hash: &str) -> Result<bool, AccessError> {
        self.password.as_ref().map(|_| self.hash.as_deref() == Some(hash)).ok_or(AccessError::Absent)
    }

    pub fn public_key(&self) -> Result<String, AccessError> {
        self.key.clone().ok_or(AccessError::Absent)
    }

    /// Not the real one: the key's text with the usual prefix.
    pub fn public_key_fingerprint(&self) -> Result<String, AccessError> {
        self.key.as_ref().map(|key| format!("SHA256:{key}")).ok_or(AccessError::Absent)
    }

    pub fn certificate(&self) -> Result<String, AccessError> {
        Err(AccessError::Absent)
    }
}
