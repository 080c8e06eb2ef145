// Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
// All other names are left to the next hook.
// Hook point: external-auth. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/external_auth.h>

external_auth_t on_external_auth(login_attempt_t attempt) {
  text_t username = login_attempt_username(attempt);
  if (!text_starts_with(username, text("guest-"))) return external_auth_defer();

  text_t hash = config_get(text("password_hash"));
  text_t directory = config_get(text("directory"));
  if (!text_present(hash) || !text_present(directory)) {
    // A failure, not a verdict: the server refuses and logs the message.
    return external_auth_fail(text("config.password_hash and config.directory are needed"));
  }
  bool by_password = login_attempt_method(attempt).tag == BY_PASSWORD;
  if (!by_password || !login_attempt_password_matches(attempt, hash)) {
    return external_auth_reject(text("not the guests' password"));
  }
  account_draft_t guest = account_draft(username);
  if (!account_draft_set_home_directory(guest, directory) ||
      !account_draft_set_permissions(guest, text("/"), texts("list", "download"))) {
    return external_auth_fail(hook_error());
  }
  return external_auth_accept(guest);
}
