// Looks at a password before it is compared with the stored hash.
#ifndef TIDEGATE_HOOKS_CHECK_PASSWORD_H
#define TIDEGATE_HOOKS_CHECK_PASSWORD_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_check_password_result_password_verdict_failure_t check_password_t;

// You write this one. It ends with `check_password_defer()`, `…_accept()`, `…_verify(password)`, `…_deny(reason)`
// or `…_fail(reason)`.
check_password_t on_check_password(login_attempt_t attempt);

// The kinds of verdict, for tests.
#define CHECK_PASSWORD_ACCEPT EXPORTS_TIDEGATE_HOOKS_CHECK_PASSWORD_PASSWORD_VERDICT_ACCEPT
#define CHECK_PASSWORD_DEFER EXPORTS_TIDEGATE_HOOKS_CHECK_PASSWORD_PASSWORD_VERDICT_DEFER
#define CHECK_PASSWORD_DENY EXPORTS_TIDEGATE_HOOKS_CHECK_PASSWORD_PASSWORD_VERDICT_DENY
#define CHECK_PASSWORD_VERIFY EXPORTS_TIDEGATE_HOOKS_CHECK_PASSWORD_PASSWORD_VERDICT_VERIFY

HOOK_FAILURES(check_password)
HOOK_PLAIN(check_password, defer, CHECK_PASSWORD_DEFER)
HOOK_PLAIN(check_password, accept, CHECK_PASSWORD_ACCEPT)
HOOK_DENIAL(check_password, deny, CHECK_PASSWORD_DENY)

// The server compares this with the stored hash instead.
static inline check_password_t check_password_verify(text_t password) {
  check_password_t result = {.is_err = false};
  result.val.ok.tag = CHECK_PASSWORD_VERIFY;
  result.val.ok.val.verify = password;
  return result;
}

#ifdef __wasm__
bool HOOK_EXPORTED(check_password, check)(
    exports_tidegate_hooks_check_password_borrow_login_attempt_t attempt,
    exports_tidegate_hooks_check_password_password_verdict_t *verdict,
    exports_tidegate_hooks_check_password_failure_t *failure) {
  check_password_t result = on_check_password(attempt);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/check_password.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
