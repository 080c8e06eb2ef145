//! Every example of `hooks/`, each with its own tests, in one plugin.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[path = "../hooks/address_banned.rs"]
mod address_banned;
#[path = "../hooks/check_password.rs"]
mod check_password;
#[path = "../hooks/connect.rs"]
mod connect;
#[path = "../hooks/credential_changed.rs"]
mod credential_changed;
#[path = "../hooks/disconnect.rs"]
mod disconnect;
#[path = "../hooks/external_auth.rs"]
mod external_auth;
#[path = "../hooks/keyboard_interactive.rs"]
mod keyboard_interactive;
#[path = "../hooks/login_pre.rs"]
mod login_pre;
#[path = "../hooks/object_changes.rs"]
mod object_changes;
#[path = "../hooks/one_click_login_post.rs"]
mod one_click_login_post;
#[path = "../hooks/password_reset_pre.rs"]
mod password_reset_pre;
#[path = "../hooks/post_action.rs"]
mod post_action;
#[path = "../hooks/post_login.rs"]
mod post_login;
#[path = "../hooks/pre_action.rs"]
mod pre_action;
#[path = "../hooks/pre_login.rs"]
mod pre_login;
#[path = "../hooks/session_create.rs"]
mod session_create;
#[path = "../hooks/session_destroy.rs"]
mod session_destroy;
#[path = "../hooks/startup.rs"]
mod startup;

pub struct Plugin;

tidegate_hook::export!(
    Plugin: AddressBanned,
    CheckPassword,
    Connect,
    CredentialChanged,
    Disconnect,
    ExternalAuth,
    KeyboardInteractive,
    LoginPre,
    ObjectChanges,
    OneClickLoginPost,
    PasswordResetPre,
    PostAction,
    PostLogin,
    PreAction,
    PreLogin,
    SessionCreate,
    SessionDestroy,
    Startup
);
