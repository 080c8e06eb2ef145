// A new connection, before the first byte of the handshake.
#ifndef TIDEGATE_HOOKS_CONNECT_H
#define TIDEGATE_HOOKS_CONNECT_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_connect_result_connect_verdict_failure_t connect_t;

// You write this one. It ends with `connect_allow()`, `connect_deny(reason)` or `connect_fail(reason)`.
connect_t on_connect(connection_t connection);

// The kinds of verdict, for tests.
#define CONNECT_ALLOW EXPORTS_TIDEGATE_HOOKS_CONNECT_CONNECT_VERDICT_ALLOW
#define CONNECT_DENY EXPORTS_TIDEGATE_HOOKS_CONNECT_CONNECT_VERDICT_DENY

HOOK_FAILURES(connect)
HOOK_PLAIN(connect, allow, CONNECT_ALLOW)
HOOK_DENIAL(connect, deny, CONNECT_DENY)

#ifdef __wasm__
bool HOOK_EXPORTED(connect, review)(exports_tidegate_hooks_connect_borrow_connection_t connection, exports_tidegate_hooks_connect_connect_verdict_t *verdict, exports_tidegate_hooks_connect_failure_t *failure) {
  connect_t result = on_connect(connection);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/connect.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
