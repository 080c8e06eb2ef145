// Every attempt, before any credential is looked at. A denial counts as a failed login.
#ifndef TIDEGATE_HOOKS_LOGIN_PRE_H
#define TIDEGATE_HOOKS_LOGIN_PRE_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_login_pre_result_login_pre_verdict_failure_t login_pre_t;

// You write this one. It ends with `login_pre_allow()`, `login_pre_deny(reason)` or `login_pre_fail(reason)`.
login_pre_t on_login_pre(login_attempt_t attempt);

// The kinds of verdict, for tests.
#define LOGIN_PRE_ALLOW EXPORTS_TIDEGATE_HOOKS_LOGIN_PRE_LOGIN_PRE_VERDICT_ALLOW
#define LOGIN_PRE_DENY EXPORTS_TIDEGATE_HOOKS_LOGIN_PRE_LOGIN_PRE_VERDICT_DENY

HOOK_FAILURES(login_pre)
HOOK_PLAIN(login_pre, allow, LOGIN_PRE_ALLOW)
HOOK_DENIAL(login_pre, deny, LOGIN_PRE_DENY)

#ifdef __wasm__
bool HOOK_EXPORTED(login_pre, review)(exports_tidegate_hooks_login_pre_borrow_login_attempt_t attempt, exports_tidegate_hooks_login_pre_login_pre_verdict_t *verdict, exports_tidegate_hooks_login_pre_failure_t *failure) {
  login_pre_t result = on_login_pre(attempt);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/login_pre.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
