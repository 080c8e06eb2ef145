// The server starts.
#ifndef TIDEGATE_HOOKS_STARTUP_H
#define TIDEGATE_HOOKS_STARTUP_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_startup_result_void_failure_t startup_t;

// You write this one. It ends with `startup_done()`, `startup_fail(reason)` or `startup_fail_for_now(reason)`.
startup_t on_startup(text_t version);

HOOK_FAILURES(startup)
HOOK_OBSERVER(startup)

#ifdef __wasm__
bool HOOK_EXPORTED(startup, notify)(
    hook_string_t *version,
    exports_tidegate_hooks_startup_failure_t *failure) {
  startup_t result = on_startup(*version);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/startup.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
