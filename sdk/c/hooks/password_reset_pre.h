// A user asks for a new password, because the old one is lost.
#ifndef TIDEGATE_HOOKS_PASSWORD_RESET_PRE_H
#define TIDEGATE_HOOKS_PASSWORD_RESET_PRE_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_password_reset_pre_result_reset_verdict_failure_t password_reset_pre_t;

// You write this one. It ends with `password_reset_pre_allow()`, `password_reset_pre_deny(reason)` or `password_reset_pre_fail(reason)`.
password_reset_pre_t on_password_reset_pre(web_request_t request);

// The kinds of verdict, for tests.
#define PASSWORD_RESET_PRE_ALLOW EXPORTS_TIDEGATE_HOOKS_PASSWORD_RESET_PRE_RESET_VERDICT_ALLOW
#define PASSWORD_RESET_PRE_DENY EXPORTS_TIDEGATE_HOOKS_PASSWORD_RESET_PRE_RESET_VERDICT_DENY

HOOK_FAILURES(password_reset_pre)
HOOK_PLAIN(password_reset_pre, allow, PASSWORD_RESET_PRE_ALLOW)
HOOK_DENIAL(password_reset_pre, deny, PASSWORD_RESET_PRE_DENY)

#ifdef __wasm__
bool HOOK_EXPORTED(password_reset_pre, review)(exports_tidegate_hooks_password_reset_pre_borrow_web_request_t request, exports_tidegate_hooks_password_reset_pre_reset_verdict_t *verdict, exports_tidegate_hooks_password_reset_pre_failure_t *failure) {
  password_reset_pre_t result = on_password_reset_pre(request);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/password_reset_pre.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
