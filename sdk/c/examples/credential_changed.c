// Logs login URLs that never expire.
// Hook point: credential-changed. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/credential_changed.h>

credential_changed_t on_credential_changed(credential_change_t change) {
  timestamp_t expires_at;
  if (credential_change_is_login_url(change) && !credential_change_expires_at(change, &expires_at)) {
    const char *name = text_c(credential_change_name(change));
    log_text(LOG_WARN, text_format("the login URL %s of %s never expires", name, text_c(credential_change_username(change))));
  }
  return credential_changed_done();
}
