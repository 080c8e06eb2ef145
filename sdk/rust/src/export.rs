//! Makes the component's exports of implementations of the traits.

/// Exports a type's hooks: `tidegate_hook::export!(Guests: ExternalAuth, PostLogin);`. Used once in
/// a component. A native build only checks that the type implements the traits.
#[macro_export]
macro_rules! export {
    ($hook:ty: $($kind:ident),+ $(,)?) => { $($crate::__export!($kind, $hook);)+ };
}

#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($kind:ident, $hook:ty) => {
        const _: fn() = {
            fn exports<T: $crate::$kind>() {}
            exports::<$hook>
        };
    };
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __glue {
    ($kind:ident, $hook:ty, $module:ident, $name:ident($($argument:ident: $type:ty),*) -> $($verdict:tt)+) => {
        const _: () = {
            use $crate::bindings::$module::exports::tidegate::hooks::$module as interface;
            struct Component;
            impl interface::Guest for Component {
                fn $name($($argument: $type),*) -> Result<$crate::__verdict!(interface $($verdict)+), $crate::Failure> {
                    <$hook as $crate::$kind>::$name($($argument),*).map(Into::into)
                }
            }
            $crate::bindings::$module::export!(Component with_types_in $crate::bindings::$module);
        };
    };
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __verdict {
    ($interface:ident ()) => {
        ()
    };
    ($interface:ident $verdict:ident) => {
        $interface::$verdict
    };
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (ExternalAuth, $hook:ty) => {
        $crate::__glue!(ExternalAuth, $hook, external_auth, authenticate(attempt: &$crate::LoginAttempt) -> AuthVerdict);
    };
    (Connect, $hook:ty) => {
        $crate::__glue!(Connect, $hook, connect, review(connection: &$crate::Connection) -> ConnectVerdict);
    };
    (LoginPre, $hook:ty) => {
        $crate::__glue!(LoginPre, $hook, login_pre, review(attempt: &$crate::LoginAttempt) -> LoginPreVerdict);
    };
    (PreLogin, $hook:ty) => {
        $crate::__glue!(PreLogin, $hook, pre_login,
            prepare(attempt: &$crate::LoginAttempt, account: Option<&$crate::Account>) -> PreLoginVerdict);
    };
    (CheckPassword, $hook:ty) => {
        $crate::__glue!(CheckPassword, $hook, check_password, check(attempt: &$crate::LoginAttempt) -> PasswordVerdict);
    };
    (KeyboardInteractive, $hook:ty) => {
        $crate::__glue!(KeyboardInteractive, $hook, keyboard_interactive,
            converse(attempt: &$crate::LoginAttempt, conversation: &$crate::Conversation) -> InteractiveVerdict);
    };
    (SessionCreate, $hook:ty) => {
        $crate::__glue!(SessionCreate, $hook, session_create, review(session: &$crate::Session) -> SessionVerdict);
    };
    (PreAction, $hook:ty) => {
        $crate::__glue!(PreAction, $hook, pre_action, review(action: &$crate::FileAction) -> ActionVerdict);
    };
    (PasswordResetPre, $hook:ty) => {
        $crate::__glue!(PasswordResetPre, $hook, password_reset_pre, review(request: &$crate::WebRequest) -> ResetVerdict);
    };
    (Startup, $hook:ty) => {
        $crate::__glue!(Startup, $hook, startup, notify(server_version: String) -> ());
    };
    (PostLogin, $hook:ty) => {
        $crate::__glue!(PostLogin, $hook, post_login, notify(
            connection: &$crate::Connection,
            attempt: Option<&$crate::LoginAttempt>,
            outcome: Result<&$crate::Session, String>
        ) -> ());
    };
    (SessionDestroy, $hook:ty) => {
        $crate::__glue!(SessionDestroy, $hook, session_destroy,
            notify(session: &$crate::Session, reason: String, duration_milliseconds: u64) -> ());
    };
    (Disconnect, $hook:ty) => {
        $crate::__glue!(Disconnect, $hook, disconnect, notify(
            connection: &$crate::Connection, session: Option<&$crate::Session>, duration_milliseconds: u64
        ) -> ());
    };
    (PostAction, $hook:ty) => {
        $crate::__glue!(PostAction, $hook, post_action, notify(action: &$crate::FileAction) -> ());
    };
    (ObjectChanges, $hook:ty) => {
        $crate::__glue!(ObjectChanges, $hook, object_changes, notify(change: &$crate::ObjectChange) -> ());
    };
    (CredentialChanged, $hook:ty) => {
        $crate::__glue!(CredentialChanged, $hook, credential_changed, notify(change: &$crate::CredentialChange) -> ());
    };
    (AddressBanned, $hook:ty) => {
        $crate::__glue!(AddressBanned, $hook, address_banned, notify(ban: &$crate::AddressBan) -> ());
    };
    (OneClickLoginPost, $hook:ty) => {
        $crate::__glue!(OneClickLoginPost, $hook, one_click_login_post,
            notify(token: String, username: String, name: String) -> ());
    };
}

#[cfg(target_family = "wasm")]
mod into_generated {
    use crate::bindings;
    use crate::{AuthVerdict, InteractiveVerdict, PasswordVerdict, PreLoginVerdict, Review};

    macro_rules! generated {
        ($module:ident, $verdict:ident) => {
            bindings::$module::exports::tidegate::hooks::$module::$verdict
        };
    }

    macro_rules! reviews {
        ($($module:ident: $verdict:ident),*) => {$(
            impl From<Review> for generated!($module, $verdict) {
                fn from(review: Review) -> Self {
                    match review {
                        Review::Allow => Self::Allow,
                        Review::Deny(denial) => Self::Deny(denial),
                    }
                }
            }
        )*};
    }

    reviews!(
        connect: ConnectVerdict, login_pre: LoginPreVerdict, session_create: SessionVerdict, pre_action: ActionVerdict,
        password_reset_pre: ResetVerdict
    );

    impl From<AuthVerdict> for generated!(external_auth, AuthVerdict) {
        fn from(verdict: AuthVerdict) -> Self {
            match verdict {
                AuthVerdict::Defer => Self::Defer,
                AuthVerdict::Accept(draft) => Self::Accept(draft),
                AuthVerdict::VerifyStored(password) => Self::VerifyStored(password),
                AuthVerdict::Reject(denial) => Self::Reject(denial),
            }
        }
    }

    impl From<PreLoginVerdict> for generated!(pre_login, PreLoginVerdict) {
        fn from(verdict: PreLoginVerdict) -> Self {
            match verdict {
                PreLoginVerdict::Unchanged => Self::Unchanged,
                PreLoginVerdict::Replace(draft) => Self::Replace(draft),
                PreLoginVerdict::Deny(denial) => Self::Deny(denial),
            }
        }
    }

    impl From<PasswordVerdict> for generated!(check_password, PasswordVerdict) {
        fn from(verdict: PasswordVerdict) -> Self {
            match verdict {
                PasswordVerdict::Defer => Self::Defer,
                PasswordVerdict::Accept => Self::Accept,
                PasswordVerdict::Verify(password) => Self::Verify(password),
                PasswordVerdict::Deny(denial) => Self::Deny(denial),
            }
        }
    }

    impl From<InteractiveVerdict> for generated!(keyboard_interactive, InteractiveVerdict) {
        fn from(verdict: InteractiveVerdict) -> Self {
            match verdict {
                InteractiveVerdict::Defer => Self::Defer,
                InteractiveVerdict::Accept(draft) => Self::Accept(draft),
                InteractiveVerdict::Reject(denial) => Self::Reject(denial),
            }
        }
    }
}
