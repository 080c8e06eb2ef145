// Reviews a file operation before it happens.
#ifndef TIDEGATE_HOOKS_PRE_ACTION_H
#define TIDEGATE_HOOKS_PRE_ACTION_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_pre_action_result_action_verdict_failure_t pre_action_t;

// You write this one. It ends with `pre_action_allow()`, `pre_action_deny(reason)` or `pre_action_fail(reason)`.
pre_action_t on_pre_action(file_action_t action);

// The kinds of verdict, for tests.
#define PRE_ACTION_ALLOW EXPORTS_TIDEGATE_HOOKS_PRE_ACTION_ACTION_VERDICT_ALLOW
#define PRE_ACTION_DENY EXPORTS_TIDEGATE_HOOKS_PRE_ACTION_ACTION_VERDICT_DENY

HOOK_FAILURES(pre_action)
HOOK_PLAIN(pre_action, allow, PRE_ACTION_ALLOW)
HOOK_DENIAL(pre_action, deny, PRE_ACTION_DENY)

#ifdef __wasm__
bool HOOK_EXPORTED(pre_action, review)(exports_tidegate_hooks_pre_action_borrow_file_action_t action, exports_tidegate_hooks_pre_action_action_verdict_t *verdict, exports_tidegate_hooks_pre_action_failure_t *failure) {
  pre_action_t result = on_pre_action(action);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/pre_action.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
