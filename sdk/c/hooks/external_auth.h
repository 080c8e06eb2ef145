// Decides a login from its credentials.
#ifndef TIDEGATE_HOOKS_EXTERNAL_AUTH_H
#define TIDEGATE_HOOKS_EXTERNAL_AUTH_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_external_auth_result_auth_verdict_failure_t external_auth_t;

// You write this one. It ends with `external_auth_defer()`, `…_accept(draft)`, `…_accept_stored()`,
// `…_verify_stored(password)`, `…_reject(reason)` or `…_fail(reason)`.
external_auth_t on_external_auth(login_attempt_t attempt);

// The kinds of verdict, for tests.
#define EXTERNAL_AUTH_ACCEPT EXPORTS_TIDEGATE_HOOKS_EXTERNAL_AUTH_AUTH_VERDICT_ACCEPT
#define EXTERNAL_AUTH_DEFER EXPORTS_TIDEGATE_HOOKS_EXTERNAL_AUTH_AUTH_VERDICT_DEFER
#define EXTERNAL_AUTH_REJECT EXPORTS_TIDEGATE_HOOKS_EXTERNAL_AUTH_AUTH_VERDICT_REJECT
#define EXTERNAL_AUTH_VERIFY_STORED EXPORTS_TIDEGATE_HOOKS_EXTERNAL_AUTH_AUTH_VERDICT_VERIFY_STORED

HOOK_FAILURES(external_auth)
// Not mine: ask the next one.
HOOK_PLAIN(external_auth, defer, EXTERNAL_AUTH_DEFER)
HOOK_DENIAL(external_auth, reject, EXTERNAL_AUTH_REJECT)

// The credentials are good. The account is created or replaced by the draft.
static inline external_auth_t external_auth_accept(account_draft_t draft) {
  external_auth_t result = {.is_err = false};
  result.val.ok.tag = EXTERNAL_AUTH_ACCEPT;
  result.val.ok.val.accept.is_some = true;
  result.val.ok.val.accept.val = hook_give_draft(draft);
  return result;
}

// The credentials are good, and the stored account is used as it is.
static inline external_auth_t external_auth_accept_stored(void) {
  external_auth_t result = {.is_err = false};
  result.val.ok.tag = EXTERNAL_AUTH_ACCEPT;
  return result;
}

// The server compares this with the stored account's password; no text: what the client sent.
static inline external_auth_t external_auth_verify_stored(text_t password) {
  external_auth_t result = {.is_err = false};
  result.val.ok.tag = EXTERNAL_AUTH_VERIFY_STORED;
  result.val.ok.val.verify_stored = (hook_option_string_t) {text_present(password), password};
  return result;
}

#ifdef __wasm__
bool HOOK_EXPORTED(external_auth, authenticate)(
    exports_tidegate_hooks_external_auth_borrow_login_attempt_t attempt,
    exports_tidegate_hooks_external_auth_auth_verdict_t *verdict,
    exports_tidegate_hooks_external_auth_failure_t *failure) {
  external_auth_t result = on_external_auth(attempt);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/external_auth.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
