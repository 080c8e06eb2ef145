// After all checks of a login, before its session exists.
#ifndef TIDEGATE_HOOKS_SESSION_CREATE_H
#define TIDEGATE_HOOKS_SESSION_CREATE_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_session_create_result_session_verdict_failure_t session_create_t;

// You write this one. It ends with `session_create_allow()`, `session_create_deny(reason)` or `session_create_fail(reason)`.
session_create_t on_session_create(session_t session);

// The kinds of verdict, for tests.
#define SESSION_CREATE_ALLOW EXPORTS_TIDEGATE_HOOKS_SESSION_CREATE_SESSION_VERDICT_ALLOW
#define SESSION_CREATE_DENY EXPORTS_TIDEGATE_HOOKS_SESSION_CREATE_SESSION_VERDICT_DENY

HOOK_FAILURES(session_create)
HOOK_PLAIN(session_create, allow, SESSION_CREATE_ALLOW)
HOOK_DENIAL(session_create, deny, SESSION_CREATE_DENY)

#ifdef __wasm__
bool HOOK_EXPORTED(session_create, review)(exports_tidegate_hooks_session_create_borrow_session_t session, exports_tidegate_hooks_session_create_session_verdict_t *verdict, exports_tidegate_hooks_session_create_failure_t *failure) {
  session_create_t result = on_session_create(session);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/session_create.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
