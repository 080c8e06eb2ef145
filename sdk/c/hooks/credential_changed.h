// An API key or a one-time login URL was made or changed.
#ifndef TIDEGATE_HOOKS_CREDENTIAL_CHANGED_H
#define TIDEGATE_HOOKS_CREDENTIAL_CHANGED_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_credential_changed_result_void_failure_t credential_changed_t;

// You write this one. It ends with `credential_changed_done()`, `credential_changed_fail(reason)` or `credential_changed_fail_for_now(reason)`.
credential_changed_t on_credential_changed(credential_change_t change);

HOOK_FAILURES(credential_changed)
HOOK_OBSERVER(credential_changed)

#ifdef __wasm__
bool HOOK_EXPORTED(credential_changed, notify)(
    exports_tidegate_hooks_credential_changed_borrow_credential_change_t change,
    exports_tidegate_hooks_credential_changed_failure_t *failure) {
  credential_changed_t result = on_credential_changed(change);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/credential_changed.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
