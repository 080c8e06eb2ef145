// A user was logged in elsewhere by one click.
#ifndef TIDEGATE_HOOKS_ONE_CLICK_LOGIN_POST_H
#define TIDEGATE_HOOKS_ONE_CLICK_LOGIN_POST_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_one_click_login_post_result_void_failure_t one_click_login_post_t;

// You write this one. It ends with `one_click_login_post_done()`, `one_click_login_post_fail(reason)` or `one_click_login_post_fail_for_now(reason)`.
one_click_login_post_t on_one_click_login_post(text_t token, text_t username, text_t name);

HOOK_FAILURES(one_click_login_post)
HOOK_OBSERVER(one_click_login_post)

#ifdef __wasm__
bool HOOK_EXPORTED(one_click_login_post, notify)(
    hook_string_t *token,
    hook_string_t *username,
    hook_string_t *name,
    exports_tidegate_hooks_one_click_login_post_failure_t *failure) {
  one_click_login_post_t result = on_one_click_login_post(*token, *username, *name);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/one_click_login_post.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
