// A session has ended. `reason`: `logout`, `expired`, `idle`, `admin-closed`, `server-stop` or `error`.
#ifndef TIDEGATE_HOOKS_SESSION_DESTROY_H
#define TIDEGATE_HOOKS_SESSION_DESTROY_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_session_destroy_result_void_failure_t session_destroy_t;

// You write this one. It ends with `session_destroy_done()`, `session_destroy_fail(reason)` or `session_destroy_fail_for_now(reason)`.
session_destroy_t on_session_destroy(session_t session, text_t reason, uint64_t milliseconds);

HOOK_FAILURES(session_destroy)
HOOK_OBSERVER(session_destroy)

#ifdef __wasm__
bool HOOK_EXPORTED(session_destroy, notify)(
    exports_tidegate_hooks_session_destroy_borrow_session_t session,
    hook_string_t *reason,
    uint64_t milliseconds,
    exports_tidegate_hooks_session_destroy_failure_t *failure) {
  session_destroy_t result = on_session_destroy(session, *reason, milliseconds);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/session_destroy.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
