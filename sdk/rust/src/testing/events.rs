//! The objects that observers get: plain values with the getters of the contract.

use super::{Account, Connection};
use crate::{AccessError, ActionKind, ActionStatus, ChangeKind, LoginMethod, ObjectKind, Protocol, Timestamp};

/// A struct with its defaults, and a getter for each field. What documents a field documents its getter too.
macro_rules! event {
    ($(#[$of_struct:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$of_struct])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            $($(#[$of_field])* pub fn $field(&self) -> $type {
                self.$field.clone()
            })*
        }
    };
}

event! {
    /// A session of an empty account, unless the test says otherwise.
    Session {
        /// The ID of the connection, which appears in log lines.
        id: String = "SSH_test".to_owned(),
        /// The connection of the login.
        connection: Connection = Connection::default(),
        /// The account as it was at the login.
        account: Account = Account::default(),
        /// The name as the client sent it; the account may have another.
        username: String = String::new(),
        /// The method that completed the login.
        method: LoginMethod = LoginMethod::Password,
        /// When the session began, in seconds since 1970.
        opened_at: Timestamp = 1_700_000_000,
        /// Bytes of files that the server has received so far.
        bytes_received: u64 = 0,
        /// Bytes of files that the server has sent so far.
        bytes_sent: u64 = 0,
        /// The administrator that acts as the user of the account; `None`: the user acts itself.
        impersonator: Option<String> = None,
        /// The name of the login link that began the session; `None`: it began otherwise.
        login_link: Option<String> = None,
    }
}

event! {
    /// An upload of `/file` unless the test says otherwise.
    FileAction {
        /// The ID of the channel, which appears in log lines.
        id: String = "SSH_test_0".to_owned(),
        /// The session that acts, or has acted.
        session: Session = Session::default(),
        /// The protocol of the channel.
        protocol: Protocol = Protocol::Sftp,
        /// What is done: an upload, a rename and so on.
        kind: ActionKind = ActionKind::Upload,
        /// The absolute path in the account's tree, as the client sees it.
        virtual_path: String = "/file".to_owned(),
        /// The other path of a rename or a copy; `None` for other actions.
        virtual_target: Option<String> = None,
        /// The name of `virtual_path` in its storage: on the local disk, the path on the host.
        ///
        /// # Errors
        /// [`AccessError::NotGranted`], unless the test sets a path; on the server without the grant `storage-paths`.
        storage_path: Result<String, AccessError> = Err(AccessError::NotGranted("storage-paths".to_owned())),
        /// The name of `virtual_target` in its storage.
        ///
        /// # Errors
        /// [`AccessError::NotGranted`], unless the test sets a path. On the server [`AccessError::Absent`] too, if the
        /// action has only one path.
        storage_target: Result<String, AccessError> = Err(AccessError::NotGranted("storage-paths".to_owned())),
        /// What keeps the file: `local`, `s3` and so on.
        storage_kind: String = "local".to_owned(),
        /// The whole file, of which [`FileAction::first_bytes`] gives the beginning. For the test only: the server's
        /// actions lack this.
        contents: Vec<u8> = Vec::new(),
        /// Size in bytes: before the action that of the existing file, after it that of the result; `None`: unknown.
        size: Option<u64> = None,
        /// The open flags of an upload: 512 if an existing file is emptied, else 0. `None`: unknown, or another
        /// action.
        open_flags: Option<u32> = None,
        /// The SSH command, such as `rsync`; `None` for other actions.
        ssh_command: Option<String> = None,
        /// How the action ended; `None` before it.
        status: Option<ActionStatus> = None,
        /// Why the action failed; `None` if it has not.
        error_message: Option<String> = None,
        /// How long a transfer took, in milliseconds; `None` before it, and for other actions.
        elapsed_milliseconds: Option<u64> = None,
    }
}

event! {
    /// The update of an account, unless the test says otherwise.
    ObjectChange {
        /// What was changed: an account, a group and so on.
        kind: ObjectKind = ObjectKind::Account,
        /// Whether the object was added, updated or deleted.
        change: ChangeKind = ChangeKind::Update,
        /// The object's name.
        name: String = String::new(),
        /// The administrator or account that made the change; `None`: the server.
        actor: Option<String> = None,
        /// The address from which the change was made; `None`: unknown.
        actor_ip: Option<String> = None,
        /// When the change was made, in seconds since 1970.
        at: Timestamp = 1_700_000_000,
        /// The object's JSON document without secrets: after the change, or as it was when it was deleted.
        to_json: String = "{}".to_owned(),
    }
}

event! {
    /// A request from 192.0.2.1, unless the test says otherwise.
    WebRequest {
        /// The name in the request; untrusted.
        username: String = String::new(),
        /// The client's address.
        remote_ip: String = "192.0.2.1".to_owned(),
        /// The ID of the web session; empty if there is none.
        session_id: String = String::new(),
        /// The header `Referer`; empty if there was none.
        referer: String = String::new(),
        /// The header `User-Agent`; empty if there was none.
        user_agent: String = String::new(),
    }
}

event! {
    /// A new API key without limits, unless the test says otherwise.
    CredentialChange {
        /// The name of the key or URL.
        name: String = String::new(),
        /// The account that the key or URL belongs to.
        username: String = String::new(),
        /// Whether it is a one-time login URL, and not an API key.
        is_login_url: bool = false,
        /// Whether the key or URL existed before.
        is_modification: bool = false,
        /// When it expires, in seconds since 1970; `None`: never.
        expires_at: Option<Timestamp> = None,
        /// How often it may be used; 0: without limit.
        max_uses: u32 = 0,
        /// Operations that it allows.
        allowed: Vec<String> = Vec::new(),
        /// Operations that it denies.
        denied: Vec<String> = Vec::new(),
        /// Addresses from which it may be used; empty: any.
        ips: Vec<String> = Vec::new(),
    }
}

event! {
    /// A ban of 192.0.2.1 after eight denied logins, unless the test says otherwise.
    AddressBan {
        /// What is banned: an IPv4 address, or the first 64 bits of an IPv6 address.
        network: String = "192.0.2.1".to_owned(),
        /// The client whose offence led to the ban, or the address that an administrator named.
        remote_ip: String = "192.0.2.1".to_owned(),
        /// Where the last offence was, `SSH` or `HTTP`; `None`: an administrator banned the address.
        protocol: Option<String> = Some("SSH".to_owned()),
        /// The score that led to the ban; 0: an administrator banned the address.
        score: u32 = 16,
        /// Logins that were denied.
        login_failed: u32 = 8,
        /// Logins of accounts that do not exist.
        user_not_found: u32 = 0,
        /// Connections that ended without an attempt to log in.
        no_login_tried: u32 = 0,
        /// Connections above a limit on their rate.
        limit_exceeded: u32 = 0,
        /// When the ban began, in seconds since 1970.
        at: Timestamp = 1_700_000_000,
        /// When the ban ends, in seconds since 1970.
        until: Timestamp = 1_700_001_800,
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
