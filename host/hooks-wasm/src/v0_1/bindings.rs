//! Generated from `wit/`.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "every-hook",
    imports: {
        "tidegate:hooks/kv": async | trappable,
        "tidegate:hooks/types.[method]login-attempt.password-matches": async | trappable,
        "tidegate:hooks/types.[method]file-action.first-bytes": async | trappable,
        "tidegate:hooks/types.[method]file-action.size": async | trappable,
        "tidegate:hooks/types.[method]file-action.open-flags": async | trappable,
        "tidegate:hooks/conversations": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "tidegate:hooks/types.connection": crate::v0_1::state::ConnectionHandle,
        "tidegate:hooks/types.login-attempt": crate::v0_1::state::AttemptHandle,
        "tidegate:hooks/types.account": crate::v0_1::state::AccountHandle,
        "tidegate:hooks/types.account-draft": crate::v0_1::state::DraftHandle,
        "tidegate:hooks/types.session": crate::v0_1::state::SessionHandle,
        "tidegate:hooks/types.file-action": crate::v0_1::state::ActionHandle,
        "tidegate:hooks/types.object-change": crate::v0_1::state::ObjectChangeHandle,
        "tidegate:hooks/types.web-request": crate::v0_1::state::WebRequestHandle,
        "tidegate:hooks/types.credential-change": crate::v0_1::state::CredentialChangeHandle,
        "tidegate:hooks/types.address-ban": crate::v0_1::state::AddressBanHandle,
        "tidegate:hooks/conversations.conversation": crate::v0_1::state::ConversationHandle,
    },
});
