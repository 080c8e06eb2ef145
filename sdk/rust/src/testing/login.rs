use super::Account;
use crate::{AccessError, LoginMethod, Protocol, Timestamp};

/// A connection from 192.0.2.1, unless the test says otherwise.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The client's address.
    pub remote_ip: String,
    /// The client's port.
    pub remote_port: u16,
    /// The server's address and port.
    pub local_address: String,
    /// What the client says it is, such as `SSH-2.0-OpenSSH_9.6`.
    pub client_software: Option<String>,
    /// Seconds since 1970.
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
    /// A connection from this address.
    pub fn from_ip(ip: &str) -> Self {
        Self { remote_ip: ip.to_owned(), ..Self::default() }
    }

    /// The connection's ID, always `SSH_test`.
    pub fn id(&self) -> String {
        "SSH_test".to_owned()
    }

    /// The protocol, always SFTP.
    pub fn protocol(&self) -> Protocol {
        Protocol::Sftp
    }

    /// The client's address.
    pub fn remote_ip(&self) -> String {
        self.remote_ip.clone()
    }

    /// The client's port.
    pub fn remote_port(&self) -> u16 {
        self.remote_port
    }

    /// The server's address and port.
    pub fn local_address(&self) -> String {
        self.local_address.clone()
    }

    /// What the client says it is, such as `SSH-2.0-OpenSSH_9.6`.
    pub fn client_software(&self) -> Option<String> {
        self.client_software.clone()
    }

    /// Seconds since 1970.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }
}

/// An attempt to log in, as the test describes it.
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
    number: u32,
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
            number: 1,
        }
    }

    /// An attempt with a password.
    pub fn with_password(username: &str, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..Self::new(username, LoginMethod::Password) }
    }

    /// An attempt with a public key. `key`: one line, as in `authorized_keys`.
    pub fn with_public_key(username: &str, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::new(username, LoginMethod::PublicKey) }
    }

    /// An attempt with the method `keyboard-interactive`.
    pub fn keyboard_interactive(username: &str) -> Self {
        Self::new(username, LoginMethod::KeyboardInteractive)
    }

    /// Sets the only hash that `password_matches` accepts.
    pub fn whose_hash_is(self, hash: &str) -> Self {
        Self { hash: Some(hash.to_owned()), ..self }
    }

    /// Lets the hook read the password, as if the operator had granted `credentials`.
    pub fn with_credentials_granted(self) -> Self {
        Self { password_granted: true, ..self }
    }

    /// Sets the connection of the attempt.
    pub fn from(self, connection: Connection) -> Self {
        Self { connection, ..self }
    }

    /// Sets the stored account.
    pub fn of_stored(self, account: Account) -> Self {
        Self { stored: Some(account), ..self }
    }

    /// Sets the methods that the client has passed in this login already.
    pub fn after(self, completed: Vec<LoginMethod>) -> Self {
        Self { completed, ..self }
    }

    /// Sets the number of the attempt on its connection, which is 1 otherwise.
    pub fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// The connection of the attempt.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// The name, as the client sent it.
    pub fn username(&self) -> String {
        self.username.clone()
    }

    /// The method of the attempt.
    pub fn method(&self) -> LoginMethod {
        self.method.clone()
    }

    /// The methods that the client has passed in this login already.
    pub fn completed_methods(&self) -> Vec<LoginMethod> {
        self.completed.clone()
    }

    /// The number of the attempt on its connection, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The account as stored, if there is one.
    pub fn stored_account(&self) -> Option<Account> {
        self.stored.clone()
    }

    /// The password in clear.
    ///
    /// # Errors
    /// [`AccessError::NotGranted`] without the grant `credentials`, [`AccessError::Absent`] if the
    /// attempt has another method.
    pub fn password(&self) -> Result<String, AccessError> {
        if !self.password_granted {
            return Err(AccessError::NotGranted("credentials".to_owned()));
        }
        self.password.clone().ok_or(AccessError::Absent)
    }

    /// Whether the hash is the one that the test has set.
    ///
    /// # Errors
    /// [`AccessError::Absent`] if the attempt has no password.
    pub fn password_matches(&self, hash: &str) -> Result<bool, AccessError> {
        self.password.as_ref().map(|_| self.hash.as_deref() == Some(hash)).ok_or(AccessError::Absent)
    }

    /// The public key, as one line.
    ///
    /// # Errors
    /// [`AccessError::Absent`] if the attempt has another method.
    pub fn public_key(&self) -> Result<String, AccessError> {
        self.key.clone().ok_or(AccessError::Absent)
    }

    /// A stand-in for the key's fingerprint: its line after `SHA256:`.
    ///
    /// # Errors
    /// [`AccessError::Absent`] if the attempt has another method.
    pub fn public_key_fingerprint(&self) -> Result<String, AccessError> {
        self.key.as_ref().map(|key| format!("SHA256:{key}")).ok_or(AccessError::Absent)
    }

    /// The certificate that carried the key.
    ///
    /// # Errors
    /// Always [`AccessError::Absent`], as on the server, which accepts no user certificates yet.
    pub fn certificate(&self) -> Result<String, AccessError> {
        Err(AccessError::Absent)
    }
}
