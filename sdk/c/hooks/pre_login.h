// Creates or changes the account just before the server checks the credentials.
#ifndef TIDEGATE_HOOKS_PRE_LOGIN_H
#define TIDEGATE_HOOKS_PRE_LOGIN_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_pre_login_result_pre_login_verdict_failure_t pre_login_t;

// You write this one. It ends with `pre_login_unchanged()`, `…_replace(draft)`, `…_deny(reason)` or `…_fail(reason)`.
// No account if the user is unknown.
pre_login_t on_pre_login(login_attempt_t attempt, account_t account);

// The kinds of verdict, for tests.
#define PRE_LOGIN_DENY EXPORTS_TIDEGATE_HOOKS_PRE_LOGIN_PRE_LOGIN_VERDICT_DENY
#define PRE_LOGIN_REPLACE EXPORTS_TIDEGATE_HOOKS_PRE_LOGIN_PRE_LOGIN_VERDICT_REPLACE
#define PRE_LOGIN_UNCHANGED EXPORTS_TIDEGATE_HOOKS_PRE_LOGIN_PRE_LOGIN_VERDICT_UNCHANGED

HOOK_FAILURES(pre_login)
HOOK_PLAIN(pre_login, unchanged, PRE_LOGIN_UNCHANGED)
HOOK_DENIAL(pre_login, deny, PRE_LOGIN_DENY)

static inline pre_login_t pre_login_replace(account_draft_t draft) {
  pre_login_t result = {.is_err = false};
  result.val.ok.tag = PRE_LOGIN_REPLACE;
  result.val.ok.val.replace = hook_give_draft(draft);
  return result;
}

#ifdef __wasm__
bool HOOK_EXPORTED(pre_login, prepare)(
    exports_tidegate_hooks_pre_login_borrow_login_attempt_t attempt,
    exports_tidegate_hooks_pre_login_borrow_account_t *account,
    exports_tidegate_hooks_pre_login_pre_login_verdict_t *verdict,
    exports_tidegate_hooks_pre_login_failure_t *failure) {
  pre_login_t result = on_pre_login(attempt, account ? *account : (account_t) {0});
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/pre_login.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
