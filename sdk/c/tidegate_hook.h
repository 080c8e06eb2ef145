// What a hook in C sees of the server. Include the header of each hook that you implement, from
// `hooks/`, in exactly one C file: including it is what makes the plugin export that hook.
//
// Memory: nothing here has to be freed. Texts, lists and objects that the server hands over, and those
// made with the functions below, live until your hook returns; then they are wiped. To keep
// something longer, copy it. A literal, too, may be returned as it is.
#ifndef TIDEGATE_HOOK_H
#define TIDEGATE_HOOK_H

#include "generated/bindings.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Texts: UTF-8 with a length. They may hold NUL characters if a client sent some, so compare them
// with the functions here. A text that is not there has `ptr == NULL`.
typedef hook_string_t text_t;
typedef hook_list_string_t texts_t;

text_t text(const char *literal);
text_t text_of(const char *bytes, size_t size);
text_t text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The text with a NUL behind it, for functions of the C library.
const char *text_c(text_t value);
bool text_equals(text_t left, text_t right);
bool text_starts_with(text_t value, text_t prefix);
static inline bool text_present(text_t value) { return value.ptr != NULL; }
// texts("list", "download") is a list of two.
#define texts(...) texts_until_null(__VA_ARGS__, (const char *) NULL)
texts_t texts_until_null(const char *first, ...);
static const texts_t no_texts = {NULL, 0};

// Why the latest function that returned `false` or no text did so, for logs and for `…_fail`.
text_t hook_error(void);

// ---- What the server offers.
text_t config_get(text_t key);
text_t config_json(void);
// Needs the secret to be granted to the plugin.
text_t secret_get(text_t name);

typedef tidegate_hooks_log_level_t log_level_t;
#define LOG_TRACE TIDEGATE_HOOKS_LOG_LEVEL_TRACE
#define LOG_DEBUG TIDEGATE_HOOKS_LOG_LEVEL_DEBUG
#define LOG_INFO TIDEGATE_HOOKS_LOG_LEVEL_INFO
#define LOG_WARN TIDEGATE_HOOKS_LOG_LEVEL_WARN
#define LOG_ERROR TIDEGATE_HOOKS_LOG_LEVEL_ERROR
void log_text(log_level_t level, text_t message);

// A store that all instances of the plugin share. Values are bytes; zero seconds means: for ever.
typedef hook_list_u8_t bytes_t;
// False also if there is no such key; then `value->ptr` is NULL and hook_error() is empty.
bool kv_get(text_t key, bytes_t *value);
bool kv_set(text_t key, bytes_t value, uint32_t seconds);
bool kv_delete(text_t key);
bool kv_increment(text_t key, int64_t by, uint32_t seconds, int64_t *total);

// ---- Objects. A handle is a small number: pass it by value.
typedef tidegate_hooks_types_borrow_connection_t connection_t;
typedef tidegate_hooks_types_borrow_login_attempt_t login_attempt_t;
typedef tidegate_hooks_types_borrow_account_t account_t;
typedef tidegate_hooks_types_borrow_account_draft_t account_draft_t;
typedef tidegate_hooks_types_borrow_session_t session_t;
typedef tidegate_hooks_types_borrow_file_action_t file_action_t;
typedef tidegate_hooks_types_borrow_object_change_t object_change_t;
typedef tidegate_hooks_types_borrow_web_request_t web_request_t;
typedef tidegate_hooks_types_borrow_credential_change_t credential_change_t;
typedef tidegate_hooks_types_borrow_address_ban_t address_ban_t;
typedef tidegate_hooks_types_timestamp_t timestamp_t;
typedef tidegate_hooks_types_protocol_t protocol_t;
typedef tidegate_hooks_types_login_method_t login_method_t;
typedef tidegate_hooks_types_action_kind_t action_kind_t;
typedef tidegate_hooks_types_quota_t quota_t;
#define BY_PASSWORD TIDEGATE_HOOKS_TYPES_LOGIN_METHOD_PASSWORD
#define BY_PUBLIC_KEY TIDEGATE_HOOKS_TYPES_LOGIN_METHOD_PUBLIC_KEY
#define BY_KEYBOARD_INTERACTIVE TIDEGATE_HOOKS_TYPES_LOGIN_METHOD_KEYBOARD_INTERACTIVE
#define BY_CERTIFICATE TIDEGATE_HOOKS_TYPES_LOGIN_METHOD_CERTIFICATE

// No object: what a function returns if there is none. Real handles are never zero.
#define OBJECT_PRESENT(object) ((object).__handle != 0)

// Objects that a function below made are given back when the hook returns.
connection_t hook_keep_connection(tidegate_hooks_types_own_connection_t connection);
account_t hook_keep_account(tidegate_hooks_types_own_account_t account);
session_t hook_keep_session(tidegate_hooks_types_own_session_t session);
account_draft_t hook_keep_account_draft(tidegate_hooks_types_own_account_draft_t draft);
bool hook_refused(tidegate_hooks_types_access_error_t error);
bool hook_invalid(text_t explanation);

#define HOOK_CALL(object, name) tidegate_hooks_types_method_##object##_##name
#define HOOK_TEXT(object, name) \
  static inline text_t object##_##name(object##_t self) { \
    text_t value; \
    HOOK_CALL(object, name)(self, &value); \
    return value; \
  }
#define HOOK_OPTIONAL_TEXT(object, name) \
  static inline text_t object##_##name(object##_t self) { \
    text_t value = {NULL, 0}; \
    return HOOK_CALL(object, name)(self, &value) ? value : text_of(NULL, 0); \
  }
// Not there if the operator did not grant it, or if the event has none; hook_error() says which.
#define HOOK_GRANTED_TEXT(object, name) \
  static inline text_t object##_##name(object##_t self) { \
    text_t value; \
    tidegate_hooks_types_access_error_t error; \
    if (HOOK_CALL(object, name)(self, &value, &error)) return value; \
    hook_refused(error); \
    return text_of(NULL, 0); \
  }
#define HOOK_TEXTS(object, name) \
  static inline texts_t object##_##name(object##_t self) { \
    texts_t value; \
    HOOK_CALL(object, name)(self, &value); \
    return value; \
  }
#define HOOK_VALUE(object, name, type) \
  static inline type object##_##name(object##_t self) { return HOOK_CALL(object, name)(self); }
#define HOOK_VARIANT(object, name, type) \
  static inline type object##_##name(object##_t self) { \
    type value; \
    HOOK_CALL(object, name)(self, &value); \
    return value; \
  }
#define HOOK_OPTIONAL_VALUE(object, name, type) \
  static inline bool object##_##name(object##_t self, type *value) { return HOOK_CALL(object, name)(self, value); }
#define HOOK_OBJECT(object, name, type) \
  static inline type##_t object##_##name(object##_t self) { return hook_keep_##type(HOOK_CALL(object, name)(self)); }

HOOK_TEXT(connection, id)
HOOK_VARIANT(connection, protocol, protocol_t)
HOOK_TEXT(connection, remote_ip)
HOOK_VALUE(connection, remote_port, uint16_t)
HOOK_TEXT(connection, local_address)
HOOK_OPTIONAL_TEXT(connection, client_software)
HOOK_VALUE(connection, opened_at, timestamp_t)

HOOK_OBJECT(login_attempt, connection, connection)
HOOK_TEXT(login_attempt, username)
HOOK_VARIANT(login_attempt, method, login_method_t)
HOOK_VALUE(login_attempt, number, uint32_t)
HOOK_GRANTED_TEXT(login_attempt, password)
HOOK_GRANTED_TEXT(login_attempt, public_key)
HOOK_GRANTED_TEXT(login_attempt, public_key_fingerprint)
HOOK_GRANTED_TEXT(login_attempt, certificate)
account_t login_attempt_stored_account(login_attempt_t attempt);
// The server compares, so the hook needs neither the password nor a permission.
bool login_attempt_password_matches(login_attempt_t attempt, text_t hash);

HOOK_TEXT(account, username)
HOOK_VALUE(account, enabled, bool)
HOOK_OPTIONAL_VALUE(account, expires_at, timestamp_t)
HOOK_TEXT(account, home_directory)
HOOK_TEXTS(account, groups)
HOOK_OPTIONAL_TEXT(account, role)
HOOK_OPTIONAL_TEXT(account, email)
static inline texts_t account_permissions(account_t account, text_t path) {
  texts_t value;
  HOOK_CALL(account, permissions)(account, &path, &value);
  return value;
}
HOOK_VARIANT(account, quota, quota_t)
HOOK_OPTIONAL_VALUE(account, last_login, timestamp_t)
HOOK_VALUE(account, has_password, bool)
HOOK_TEXTS(account, public_keys)
HOOK_TEXT(account, to_json)

#include "tidegate_events.h"
#include "tidegate_draft.h"

#ifdef __cplusplus
}
#endif
#endif
