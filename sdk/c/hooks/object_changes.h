// An account, group, folder, admin or API key was added, updated or deleted.
#ifndef TIDEGATE_HOOKS_OBJECT_CHANGES_H
#define TIDEGATE_HOOKS_OBJECT_CHANGES_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_object_changes_result_void_failure_t object_changes_t;

// You write this one. It ends with `object_changes_done()`, `object_changes_fail(reason)` or `object_changes_fail_for_now(reason)`.
object_changes_t on_object_changes(object_change_t change);

HOOK_FAILURES(object_changes)
HOOK_OBSERVER(object_changes)

#ifdef __wasm__
bool HOOK_EXPORTED(object_changes, notify)(
    exports_tidegate_hooks_object_changes_borrow_object_change_t change,
    exports_tidegate_hooks_object_changes_failure_t *failure) {
  object_changes_t result = on_object_changes(change);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/object_changes.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
