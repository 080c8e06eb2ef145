// A login succeeded, failed, or ran out of time. No attempt if the client never tried; no session if the login
// failed, and then `problem` says why.
#ifndef TIDEGATE_HOOKS_POST_LOGIN_H
#define TIDEGATE_HOOKS_POST_LOGIN_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_post_login_result_void_failure_t post_login_t;

// You write this one. It ends with `post_login_done()`, `post_login_fail(reason)` or `post_login_fail_for_now(reason)`.
post_login_t on_post_login(connection_t connection, login_attempt_t attempt, session_t session, text_t problem);

HOOK_FAILURES(post_login)
HOOK_OBSERVER(post_login)

#ifdef __wasm__
bool HOOK_EXPORTED(post_login, notify)(
    exports_tidegate_hooks_post_login_borrow_connection_t connection,
    exports_tidegate_hooks_post_login_borrow_login_attempt_t *attempt,
    exports_tidegate_hooks_post_login_result_borrow_session_string_t *outcome,
    exports_tidegate_hooks_post_login_failure_t *failure) {
  post_login_t result = on_post_login(
      connection, attempt ? *attempt : (login_attempt_t) {0}, outcome->is_err ? (session_t) {0} : outcome->val.ok,
      outcome->is_err ? outcome->val.err : text(NULL));
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/post_login.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
