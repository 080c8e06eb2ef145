//! Generated from `wit/`: one world with all imports, and one for each hook, so that a component
//! exports only the hooks that it has. Authors of plugins do not use this module.

/// The interfaces that hooks import.
pub mod host {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tidegate:sdk;
            world imports { include tidegate:hooks/host@0.1.2; import tidegate:hooks/conversations@0.1.2; }
        ",
        world: "tidegate:sdk/imports",
        generate_all,
    });
}

macro_rules! hooks {
    ($($module:ident: $world:tt $(with $conversations:tt)?),* $(,)?) => {
        $(pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                pub_export_macro: true,
                with: {
                    "tidegate:hooks/types@0.1.2": crate::bindings::host::tidegate::hooks::types,
                    "tidegate:hooks/log@0.1.2": crate::bindings::host::tidegate::hooks::log,
                    "tidegate:hooks/config@0.1.2": crate::bindings::host::tidegate::hooks::config,
                    "tidegate:hooks/kv@0.1.2": crate::bindings::host::tidegate::hooks::kv,
                    "tidegate:hooks/secrets@0.1.2": crate::bindings::host::tidegate::hooks::secrets,
                    $($conversations: crate::bindings::host::tidegate::hooks::conversations,)?
                },
            });
        })*
    };
}

hooks! {
    external_auth: "external-auth-hook",
    connect: "connect-hook",
    login_pre: "login-pre-hook",
    pre_login: "pre-login-hook",
    check_password: "check-password-hook",
    keyboard_interactive: "keyboard-interactive-hook" with "tidegate:hooks/conversations@0.1.2",
    session_create: "session-create-hook",
    pre_action: "pre-action-hook",
    password_reset_pre: "password-reset-pre-hook",
    startup: "startup-hook",
    post_login: "post-login-hook",
    session_destroy: "session-destroy-hook",
    disconnect: "disconnect-hook",
    post_action: "post-action-hook",
    object_changes: "object-changes-hook",
    credential_changed: "credential-changed-hook",
    one_click_login_post: "one-click-login-post-hook",
    address_banned: "address-banned-hook",
}
