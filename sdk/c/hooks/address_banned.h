// An address was banned.
#ifndef TIDEGATE_HOOKS_ADDRESS_BANNED_H
#define TIDEGATE_HOOKS_ADDRESS_BANNED_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_address_banned_result_void_failure_t address_banned_t;

// You write this one. It ends with `address_banned_done()`, `address_banned_fail(reason)` or `address_banned_fail_for_now(reason)`.
address_banned_t on_address_banned(address_ban_t ban);

HOOK_FAILURES(address_banned)
HOOK_OBSERVER(address_banned)

#ifdef __wasm__
bool HOOK_EXPORTED(address_banned, notify)(
    exports_tidegate_hooks_address_banned_borrow_address_ban_t ban,
    exports_tidegate_hooks_address_banned_failure_t *failure) {
  address_banned_t result = on_address_banned(ban);
  HOOK_FINISH_NOTICE(result, failure)
}

#include "../generated/address_banned.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
