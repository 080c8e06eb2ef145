#include "fake_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Texts that the fake hands over; nothing is ever freed, for a test ends soon.
static char journal[4096], log_lines[4096];
static const char *keys[32], *values[32];
static int settings, objects;
static const char *username, *password, *remote_ip, *session_user;

void fake_reset(void) {
  journal[0] = log_lines[0] = 0;
  settings = objects = 0;
}

void fake_config(const char *key, const char *value) {
  if (settings == 32) abort();
  keys[settings] = key;
  values[settings++] = value;
}

login_attempt_t fake_login_attempt(const char *name, const char *secret) {
  username = name;
  password = secret;
  return (login_attempt_t) {1};
}

connection_t fake_connection(const char *ip) {
  remote_ip = ip;
  return (connection_t) {1};
}

session_t fake_session(const char *name) {
  session_user = name;
  return (session_t) {1};
}

const char *fake_draft(void) { return journal; }
const char *fake_log(void) { return log_lines; }
int fake_objects_left(void) { return objects; }

static void record(char *where, const char *what, text_t value) {
  size_t used = strlen(where);
  snprintf(where + used, 4096 - used, "%s %.*s\n", what, (int) value.len, (const char *) value.ptr);
}

static void give(text_t *to, const char *value) { *to = text(value ? value : ""); }

// ---- What the server offers.
bool tidegate_hooks_config_get(hook_string_t *key, hook_string_t *value) {
  for (int index = 0; index < settings; index++) {
    if (text_equals(*key, text(keys[index]))) return give(value, values[index]), true;
  }
  return false;
}

void tidegate_hooks_config_to_json(hook_string_t *value) { give(value, "{}"); }

void tidegate_hooks_log_log(uint8_t level, hook_string_t *message, hook_list_tuple2_string_string_t *fields) {
  (void) fields;
  static const char *names[] = {"trace", "debug", "info", "warn", "error"};
  record(log_lines, names[level], *message);
}

bool tidegate_hooks_secrets_get(hook_string_t *name, hook_string_t *value, tidegate_hooks_secrets_access_error_t *error) {
  (void) value;
  error->tag = TIDEGATE_HOOKS_TYPES_ACCESS_ERROR_NOT_GRANTED;
  error->val.not_granted = *name;
  return false;
}

// Parameters without a use are no mistake here.
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define NO_STORE(name, ...) \
  bool tidegate_hooks_kv_##name(__VA_ARGS__, tidegate_hooks_kv_kv_error_t *error) { \
    error->tag = TIDEGATE_HOOKS_KV_KV_ERROR_UNAVAILABLE; \
    give(&error->val.unavailable, "the fake server has no store"); \
    return false; \
  }
NO_STORE(get, hook_string_t *key, hook_option_list_u8_t *value)
NO_STORE(set, hook_string_t *key, hook_list_u8_t *value, uint32_t *seconds)
NO_STORE(delete, hook_string_t *key)
NO_STORE(increment, hook_string_t *key, int64_t by, uint32_t *seconds, int64_t *total)

// ---- Logins.
void HOOK_CALL(login_attempt, username)(login_attempt_t attempt, hook_string_t *value) {
  (void) attempt;
  give(value, username);
}

void HOOK_CALL(login_attempt, method)(login_attempt_t attempt, login_method_t *method) {
  (void) attempt;
  method->tag = password ? BY_PASSWORD : BY_PUBLIC_KEY;
}

static bool absent(tidegate_hooks_types_access_error_t *error) {
  error->tag = TIDEGATE_HOOKS_TYPES_ACCESS_ERROR_ABSENT;
  return false;
}

bool HOOK_CALL(login_attempt, password_matches)(
    login_attempt_t attempt, hook_string_t *hash, bool *matches, tidegate_hooks_types_access_error_t *error) {
  (void) attempt;
  if (password == NULL) return absent(error);
  *matches = text_equals(*hash, text_format("hash of %s", password));
  return true;
}

bool HOOK_CALL(login_attempt, password)(
    login_attempt_t attempt, hook_string_t *value, tidegate_hooks_types_access_error_t *error) {
  (void) attempt;
  if (password == NULL) return absent(error);
  return give(value, password), true;
}

bool HOOK_CALL(login_attempt, stored_account)(login_attempt_t attempt, tidegate_hooks_types_own_account_t *account) {
  (void) attempt, (void) account;
  return false;
}

tidegate_hooks_types_own_connection_t HOOK_CALL(login_attempt, connection)(login_attempt_t attempt) {
  objects++;
  return (tidegate_hooks_types_own_connection_t) {attempt.__handle};
}

void HOOK_CALL(connection, remote_ip)(connection_t connection, hook_string_t *value) {
  (void) connection;
  give(value, remote_ip);
}

void HOOK_CALL(session, username)(session_t session, hook_string_t *value) {
  (void) session;
  give(value, session_user);
}

// ---- Drafts.
static tidegate_hooks_types_own_account_draft_t new_draft(const char *how, text_t value) {
  journal[0] = 0;
  record(journal, how, value);
  objects++;
  return (tidegate_hooks_types_own_account_draft_t) {7};
}

tidegate_hooks_types_own_account_draft_t tidegate_hooks_types_constructor_account_draft(hook_string_t *name) {
  return new_draft("new", *name);
}

tidegate_hooks_types_own_account_draft_t tidegate_hooks_types_static_account_draft_of(account_t account) {
  (void) account;
  return new_draft("of", text(username));
}

bool tidegate_hooks_types_static_account_draft_from_json(
    hook_string_t *document, tidegate_hooks_types_own_account_draft_t *draft, hook_string_t *error) {
  (void) error;
  *draft = new_draft("from_json", *document);
  return true;
}

#define SET_TEXT(name) \
  bool HOOK_CALL(account_draft, name)(account_draft_t draft, hook_string_t *value, hook_string_t *error) { \
    (void) draft, (void) error; \
    record(journal, #name, value ? *value : text("")); \
    return true; \
  }
SET_TEXT(set_home_directory)
SET_TEXT(set_password_hash)
SET_TEXT(set_storage)
SET_TEXT(set_role)
SET_TEXT(set_email)

bool HOOK_CALL(account_draft, set_permissions)(
    account_draft_t draft, hook_string_t *path, hook_list_string_t *permissions, hook_string_t *error) {
  (void) draft, (void) error;
  record(journal, "set_permissions", *path);
  for (size_t index = 0; index < permissions->len; index++) record(journal, "-", permissions->ptr[index]);
  return true;
}

#define GIVEN_BACK(type) \
  void tidegate_hooks_types_##type##_drop_own(tidegate_hooks_types_own_##type##_t object) { (void) object, objects--; }
GIVEN_BACK(connection)
GIVEN_BACK(account)
GIVEN_BACK(session)
GIVEN_BACK(account_draft)
