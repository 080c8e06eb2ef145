//! The objects that hooks are told of: plain values with the getters of the contract.

use super::{Account, Connection};
use crate::{AccessError, ActionKind, ActionStatus, ChangeKind, LoginMethod, ObjectKind, Protocol, Timestamp};

macro_rules! event {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            $(pub fn $field(&self) -> $type {
                self.$field.clone()
            })*
        }
    };
}

event! {
    /// A session of an empty account, unless the test says otherwise.
    Session {
        id: String = "SSH_test".to_owned(),
        connection: Connection = Connection::default(),
        account: Account = Account::default(),
        username: String = String::new(),
        method: LoginMethod = LoginMethod::Password,
        opened_at: Timestamp = 1_700_000_000,
        bytes_received: u64 = 0,
        bytes_sent: u64 = 0,
    }
}

event! {
    /// An upload of `/file` unless the test says otherwise.
    FileAction {
        id: String = "SSH_test_0".to_owned(),
        session: Session = Session::default(),
        protocol: Protocol = Protocol::Sftp,
        kind: ActionKind = ActionKind::Upload,
        virtual_path: String = "/file".to_owned(),
        virtual_target: Option<String> = None,
        storage_path: Result<String, AccessError> = Err(AccessError::NotGranted("storage-paths".to_owned())),
        storage_target: Result<String, AccessError> = Err(AccessError::NotGranted("storage-paths".to_owned())),
        storage_kind: String = "local".to_owned(),
        contents: Vec<u8> = Vec::new(),
        size: Option<u64> = None,
        open_flags: Option<u32> = None,
        ssh_command: Option<String> = None,
        status: Option<ActionStatus> = None,
        error_message: Option<String> = None,
        elapsed_milliseconds: Option<u64> = None,
    }
}

event! {
    /// The update of an account, unless the test says otherwise.
    ObjectChange {
        kind: ObjectKind = ObjectKind::Account,
        change: ChangeKind = ChangeKind::Update,
        name: String = String::new(),
        actor: Option<String> = None,
        actor_ip: Option<String> = None,
        at: Timestamp = 1_700_000_000,
        to_json: String = "{}".to_owned(),
    }
}

event! {
    /// A request from 192.0.2.1, unless the test says otherwise.
    WebRequest {
        username: String = String::new(),
        remote_ip: String = "192.0.2.1".to_owned(),
        session_id: String = String::new(),
        referer: String = String::new(),
        user_agent: String = String::new(),
    }
}

event! {
    /// A new API key without limits, unless the test says otherwise.
    CredentialChange {
        name: String = String::new(),
        username: String = String::new(),
        is_login_url: bool = false,
        is_modification: bool = false,
        expires_at: Option<Timestamp> = None,
        max_uses: u32 = 0,
        allowed: Vec<String> = Vec::new(),
        denied: Vec<String> = Vec::new(),
        ips: Vec<String> = Vec::new(),
    }
}

impl FileAction {
    /// The first `max` bytes of `contents`. Unlike the server, needs no grant and has no limit of 64 KiB.
    ///
    /// # Errors
    /// Never.
    pub fn first_bytes(&self, max: u32) -> Result<Vec<u8>, AccessError> {
        Ok(self.contents.iter().copied().take(max as usize).collect())
    }
}
