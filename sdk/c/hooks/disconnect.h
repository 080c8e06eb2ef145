// A connection ended. No session if no user had logged in.
#ifndef TIDEGATE_HOOKS_DISCONNECT_H
#define TIDEGATE_HOOKS_DISCONNECT_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_disconnect_result_void_failure_t disconnect_t;

// You write this one. It ends with `disconnect_done()`, `disconnect_fail(reason)` or `disconnect_fail_for_now(reason)`.
disconnect_t on_disconnect(connection_t connection, session_t session, uint64_t milliseconds);

HOOK_FAILURES(disconnect)
HOOK_OBSERVER(disconnect)

#ifdef __wasm__
bool HOOK_EXPORTED(disconnect, notify)(
    exports_tidegate_hooks_disconnect_borrow_connection_t connection,
    exports_tidegate_hooks_disconnect_borrow_session_t *session,
    uint64_t milliseconds,
    exports_tidegate_hooks_disconnect_failure_t *failure) {
  disconnect_t result = on_disconnect(connection, session ? *session : (session_t) {0}, milliseconds);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/disconnect.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
