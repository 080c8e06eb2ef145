// What the headers of the hooks have in common.
#ifndef TIDEGATE_HOOKS_HOOK_H
#define TIDEGATE_HOOKS_HOOK_H

#include "../tidegate_hook.h"

#ifdef __cplusplus
extern "C" {
#endif

void hook_drop_objects(void);
void hook_free_texts(void);
tidegate_hooks_types_own_account_draft_t hook_give_draft(account_draft_t draft);

#define HOOK_EXPORTED(hook, name) exports_tidegate_hooks_##hook##_##name

// `NAME_fail(reason)`: the hook could not decide, which is not a verdict; the server does what the operator
// set for that. `NAME_fail_for_now(reason)`: the same call may succeed later; observers are called again.
#define HOOK_FAILURES(hook) \
  static inline hook##_t hook##_fail(text_t reason) { \
    hook##_t result = {.is_err = true}; \
    result.val.err.message = reason; \
    return result; \
  }

// A verdict against the client. `message` is sent to the client where the protocol has room; it may be no text.
#define HOOK_DENIAL(hook, verb, KIND) \
  static inline hook##_t hook##_##verb##_with(text_t reason, text_t message) { \
    hook##_t result = {.is_err = false}; \
    result.val.ok.tag = KIND; \
    result.val.ok.val.verb.reason = reason; \
    result.val.ok.val.verb.client_message.is_some = message.ptr != NULL; \
    result.val.ok.val.verb.client_message.val = message; \
    return result; \
  } \
  static inline hook##_t hook##_##verb(text_t reason) { return hook##_##verb##_with(reason, text(NULL)); }

#define HOOK_PLAIN(hook, verb, KIND) \
  static inline hook##_t hook##_##verb(void) { \
    hook##_t result = {.is_err = false}; \
    result.val.ok.tag = KIND; \
    return result; \
  }

// Ends a hook that has a verdict: objects go back to the server while it may still be called.
#define HOOK_FINISH(result, verdict, failure) \
  hook_drop_objects(); \
  if ((result).is_err) { \
    *(failure) = (result).val.err; \
  } else { \
    *(verdict) = (result).val.ok; \
  } \
  return !(result).is_err;

// Ends a hook that only takes notice.
#define HOOK_FINISH_NOTICE(result, failure) \
  hook_drop_objects(); \
  if ((result).is_err) *(failure) = (result).val.err; \
  return !(result).is_err;

#define HOOK_OBSERVER(hook) \
  static inline hook##_t hook##_done(void) { return (hook##_t) {.is_err = false}; } \
  static inline hook##_t hook##_fail_for_now(text_t reason) { \
    hook##_t result = hook##_fail(reason); \
    result.val.err.transient = true; \
    return result; \
  }

#ifdef __cplusplus
}
#endif
#endif
