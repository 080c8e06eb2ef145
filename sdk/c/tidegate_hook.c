// The memory of a call, and what is too long for a header. Compile it together with the hook.

#include "tidegate_hook.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Memory that lives until the hook returns.
typedef struct block {
  struct block *next;
  size_t size;
} block_t;

static block_t *blocks;
static text_t latest_error;

static void *for_this_call(size_t size) {
  block_t *block = malloc(sizeof(block_t) + size + 1);
  if (block == NULL) abort();
  *block = (block_t) {blocks, size};
  blocks = block;
  uint8_t *bytes = (uint8_t *) (block + 1);
  // So that text_c need not copy what the server hands over.
  bytes[size] = 0;
  return bytes;
}

// Wiped, because the password of a user may be among them.
void hook_free_texts(void) {
  while (blocks != NULL) {
    block_t *block = blocks;
    blocks = block->next;
    volatile uint8_t *bytes = (volatile uint8_t *) (block + 1);
    for (size_t index = 0; index < block->size; index++) bytes[index] = 0;
    free(block);
  }
  latest_error = (text_t) {NULL, 0};
}

#ifdef __wasm__
// The server asks for memory through this before it hands something over.
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t size) {
  if (size == 0) return (void *) alignment;
  void *bytes = for_this_call(size);
  if (old_size > 0) memcpy(bytes, old, old_size < size ? old_size : size);
  return bytes;
}
#endif

// ---- Objects that are given back when the hook returns.
enum kind { CONNECTION, ACCOUNT, SESSION, ACCOUNT_DRAFT };

typedef struct kept {
  struct kept *next;
  enum kind kind;
  int32_t handle;
} kept_t;

static kept_t *all_kept;

static void keep(enum kind kind, int32_t handle) {
  kept_t *kept = for_this_call(sizeof(kept_t));
  *kept = (kept_t) {all_kept, kind, handle};
  all_kept = kept;
}

#define KEEP(type, kind) \
  type##_t hook_keep_##type(tidegate_hooks_types_own_##type##_t object) { \
    keep(kind, object.__handle); \
    return (type##_t) {object.__handle}; \
  }
KEEP(connection, CONNECTION)
KEEP(account, ACCOUNT)
KEEP(session, SESSION)
KEEP(account_draft, ACCOUNT_DRAFT)

tidegate_hooks_types_own_account_draft_t hook_give_draft(account_draft_t draft) {
  for (kept_t *kept = all_kept; kept != NULL; kept = kept->next) {
    if (kept->kind == ACCOUNT_DRAFT && kept->handle == draft.__handle) kept->handle = 0;
  }
  return (tidegate_hooks_types_own_account_draft_t) {draft.__handle};
}

void hook_drop_objects(void) {
  for (; all_kept != NULL; all_kept = all_kept->next) {
    int32_t handle = all_kept->handle;
    if (handle == 0) continue;
    switch (all_kept->kind) {
      case CONNECTION: tidegate_hooks_types_connection_drop_own((tidegate_hooks_types_own_connection_t) {handle}); break;
      case ACCOUNT: tidegate_hooks_types_account_drop_own((tidegate_hooks_types_own_account_t) {handle}); break;
      case SESSION: tidegate_hooks_types_session_drop_own((tidegate_hooks_types_own_session_t) {handle}); break;
      case ACCOUNT_DRAFT:
        tidegate_hooks_types_account_draft_drop_own((tidegate_hooks_types_own_account_draft_t) {handle});
        break;
    }
  }
}

// ---- Texts.
text_t text_of(const char *bytes, size_t size) { return (text_t) {(uint8_t *) bytes, size}; }

text_t text(const char *literal) { return literal ? text_of(literal, strlen(literal)) : text_of(NULL, 0); }

text_t text_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (size < 0) return text("");
  char *bytes = for_this_call((size_t) size + 1);
  va_start(arguments, format);
  vsnprintf(bytes, (size_t) size + 1, format, arguments);
  va_end(arguments);
  return text_of(bytes, (size_t) size);
}

const char *text_c(text_t value) {
  char *bytes = for_this_call(value.len);
  if (value.len > 0) memcpy(bytes, value.ptr, value.len);
  return bytes;
}

bool text_equals(text_t left, text_t right) {
  return left.len == right.len && (left.len == 0 || memcmp(left.ptr, right.ptr, left.len) == 0);
}

bool text_starts_with(text_t value, text_t prefix) {
  return value.len >= prefix.len && text_equals((text_t) {value.ptr, prefix.len}, prefix);
}

texts_t texts_until_null(const char *first, ...) {
  size_t count = 0;
  va_list arguments;
  va_start(arguments, first);
  for (const char *one = first; one != NULL; one = va_arg(arguments, const char *)) count++;
  va_end(arguments);
  texts_t list = {for_this_call(count * sizeof(text_t)), count};
  va_start(arguments, first);
  const char *one = first;
  for (size_t index = 0; index < count; index++, one = va_arg(arguments, const char *)) list.ptr[index] = text(one);
  va_end(arguments);
  return list;
}

// ---- Errors.
text_t hook_error(void) { return latest_error; }

bool hook_invalid(text_t explanation) {
  latest_error = explanation;
  return false;
}

bool hook_refused(tidegate_hooks_types_access_error_t error) {
  if (error.tag == TIDEGATE_HOOKS_TYPES_ACCESS_ERROR_ABSENT) return hook_invalid(text("this event has none"));
  text_t permission = error.val.not_granted;
  static const char before[] = "not granted: ";
  char *bytes = for_this_call(sizeof before - 1 + permission.len);
  memcpy(bytes, before, sizeof before - 1);
  memcpy(bytes + sizeof before - 1, permission.ptr, permission.len);
  return hook_invalid(text_of(bytes, sizeof before - 1 + permission.len));
}

static bool store_failed(tidegate_hooks_kv_kv_error_t error) {
  switch (error.tag) {
    case TIDEGATE_HOOKS_KV_KV_ERROR_FULL: return hook_invalid(text("the plugin's store is full"));
    case TIDEGATE_HOOKS_KV_KV_ERROR_TOO_LARGE: return hook_invalid(text("the key or the value is too large"));
    default: return hook_invalid(error.val.unavailable);
  }
}

// ---- What the server offers.
text_t config_get(text_t key) {
  text_t value;
  return tidegate_hooks_config_get(&key, &value) ? value : text_of(NULL, 0);
}

text_t config_json(void) {
  text_t value;
  tidegate_hooks_config_to_json(&value);
  return value;
}

text_t secret_get(text_t name) {
  text_t value;
  tidegate_hooks_types_access_error_t error;
  if (tidegate_hooks_secrets_get(&name, &value, &error)) return value;
  hook_refused(error);
  return text_of(NULL, 0);
}

void log_text(log_level_t level, text_t message) {
  hook_list_tuple2_string_string_t none = {NULL, 0};
  tidegate_hooks_log_log(level, &message, &none);
}

bool kv_get(text_t key, bytes_t *value) {
  hook_option_list_u8_t found;
  tidegate_hooks_kv_kv_error_t error;
  *value = (bytes_t) {NULL, 0};
  if (!tidegate_hooks_kv_get(&key, &found, &error)) return store_failed(error);
  if (!found.is_some) return hook_invalid(text_of(NULL, 0));
  *value = found.val;
  return true;
}

bool kv_set(text_t key, bytes_t value, uint32_t seconds) {
  tidegate_hooks_kv_kv_error_t error;
  return tidegate_hooks_kv_set(&key, &value, seconds ? &seconds : NULL, &error) || store_failed(error);
}

bool kv_delete(text_t key) {
  tidegate_hooks_kv_kv_error_t error;
  return tidegate_hooks_kv_delete(&key, &error) || store_failed(error);
}

bool kv_increment(text_t key, int64_t by, uint32_t seconds, int64_t *total) {
  tidegate_hooks_kv_kv_error_t error;
  return tidegate_hooks_kv_increment(&key, by, seconds ? &seconds : NULL, total, &error) || store_failed(error);
}

// ---- Accounts.
account_t login_attempt_stored_account(login_attempt_t attempt) {
  tidegate_hooks_types_own_account_t account;
  bool found = HOOK_CALL(login_attempt, stored_account)(attempt, &account);
  return found ? hook_keep_account(account) : (account_t) {0};
}

bool login_attempt_password_matches(login_attempt_t attempt, text_t hash) {
  bool matches;
  tidegate_hooks_types_access_error_t error;
  if (!HOOK_CALL(login_attempt, password_matches)(attempt, &hash, &matches, &error)) return hook_refused(error);
  return matches;
}

account_draft_t account_draft(text_t username) {
  return hook_keep_account_draft(tidegate_hooks_types_constructor_account_draft(&username));
}

account_draft_t account_draft_of(account_t account) {
  return hook_keep_account_draft(tidegate_hooks_types_static_account_draft_of(account));
}

account_draft_t account_draft_from_json(text_t document) {
  tidegate_hooks_types_own_account_draft_t draft;
  text_t error;
  if (tidegate_hooks_types_static_account_draft_from_json(&document, &draft, &error)) return hook_keep_account_draft(draft);
  hook_invalid(error);
  return (account_draft_t) {0};
}
