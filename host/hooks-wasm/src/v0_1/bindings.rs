//! Generated from `wit/`.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "external-auth-hook",
    imports: {
        "tidegate:hooks/kv": async | trappable,
        "tidegate:hooks/types.[method]login-attempt.password-matches": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "tidegate:hooks/types.connection": crate::v0_1::state::ConnectionHandle,
        "tidegate:hooks/types.login-attempt": crate::v0_1::state::AttemptHandle,
        "tidegate:hooks/types.account": crate::v0_1::state::AccountHandle,
        "tidegate:hooks/types.account-draft": crate::v0_1::state::DraftHandle,
    },
});
