// An account under construction. Setters that return `bool` are checked by the server at once; after `false`
// hook_error() explains. Part of tidegate_hook.h, which includes it.
#ifndef TIDEGATE_DRAFT_H
#define TIDEGATE_DRAFT_H

#include "tidegate_hook.h"

#ifdef __cplusplus
extern "C" {
#endif

account_draft_t account_draft(text_t username);
account_draft_t account_draft_of(account_t account);
// No object if the document is not one that the server takes.
account_draft_t account_draft_from_json(text_t document);

#define HOOK_SET_TEXT(name) \
  static inline bool account_draft_##name(account_draft_t draft, text_t value) { \
    text_t error; \
    return HOOK_CALL(account_draft, name)(draft, &value, &error) || hook_invalid(error); \
  }
// No text takes the value away.
#define HOOK_SET_OPTIONAL_TEXT(name) \
  static inline bool account_draft_##name(account_draft_t draft, text_t value) { \
    text_t error; \
    return HOOK_CALL(account_draft, name)(draft, value.ptr ? &value : NULL, &error) || hook_invalid(error); \
  }
#define HOOK_SET_TEXTS(name) \
  static inline bool account_draft_##name(account_draft_t draft, texts_t values) { \
    text_t error; \
    return HOOK_CALL(account_draft, name)(draft, &values, &error) || hook_invalid(error); \
  }

HOOK_SET_TEXT(set_home_directory)
HOOK_SET_TEXT(set_password_hash)
HOOK_SET_TEXT(set_storage)
HOOK_SET_OPTIONAL_TEXT(set_role)
HOOK_SET_OPTIONAL_TEXT(set_email)
HOOK_SET_TEXTS(set_groups)
HOOK_SET_TEXTS(set_allowed_ips)
HOOK_SET_TEXTS(set_denied_ips)
HOOK_SET_TEXTS(set_public_keys)
HOOK_TEXT(account_draft, to_json)

static inline bool account_draft_set_permissions(account_draft_t draft, text_t path, texts_t permissions) {
  text_t error;
  return HOOK_CALL(account_draft, set_permissions)(draft, &path, &permissions, &error) || hook_invalid(error);
}

static inline bool account_draft_mount_folder(account_draft_t draft, text_t path, text_t folder) {
  text_t error;
  return HOOK_CALL(account_draft, mount_folder)(draft, &path, &folder, &error) || hook_invalid(error);
}

static inline void account_draft_set_enabled(account_draft_t draft, bool enabled) {
  HOOK_CALL(account_draft, set_enabled)(draft, enabled);
}

// Zero: never.
static inline void account_draft_set_expires_at(account_draft_t draft, timestamp_t when) {
  HOOK_CALL(account_draft, set_expires_at)(draft, when ? &when : NULL);
}

static inline void account_draft_set_owner(account_draft_t draft, uint32_t user, uint32_t group) {
  HOOK_CALL(account_draft, set_owner)(draft, user, group);
}

// Zero: no limit.
static inline void account_draft_set_quota(account_draft_t draft, uint64_t bytes, uint64_t files) {
  HOOK_CALL(account_draft, set_quota)(draft, bytes, files);
}

// In KiB a second. Zero: no limit. Use account_draft_set_bandwidth_kb, which has the units of the account's document.
static inline void account_draft_set_bandwidth(account_draft_t draft, uint64_t upload, uint64_t download) {
  HOOK_CALL(account_draft, set_bandwidth)(draft, upload, download);
}

// In units of 1000 bytes a second. Zero: no limit.
static inline void account_draft_set_bandwidth_kb(account_draft_t draft, uint64_t upload, uint64_t download) {
  HOOK_CALL(account_draft, set_bandwidth_kb)(draft, upload, download);
}

static inline void account_draft_set_max_sessions(account_draft_t draft, uint32_t sessions) {
  HOOK_CALL(account_draft, set_max_sessions)(draft, sessions);
}

// How long the server may answer the same credentials without asking again.
static inline void account_draft_set_cache_seconds(account_draft_t draft, uint32_t seconds) {
  HOOK_CALL(account_draft, set_cache_seconds)(draft, seconds);
}

#ifdef __cplusplus
}
#endif
#endif
