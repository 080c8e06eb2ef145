// A file operation was done, or failed.
#ifndef TIDEGATE_HOOKS_POST_ACTION_H
#define TIDEGATE_HOOKS_POST_ACTION_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_post_action_result_void_failure_t post_action_t;

// You write this one. It ends with `post_action_done()`, `post_action_fail(reason)` or `post_action_fail_for_now(reason)`.
post_action_t on_post_action(file_action_t action);

HOOK_FAILURES(post_action)
HOOK_OBSERVER(post_action)

#ifdef __wasm__
bool HOOK_EXPORTED(post_action, notify)(
    exports_tidegate_hooks_post_action_borrow_file_action_t action,
    exports_tidegate_hooks_post_action_failure_t *failure) {
  post_action_t result = on_post_action(action);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/post_action.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
