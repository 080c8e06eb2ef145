// Limits the bandwidth of clients that do not come from the office, just before the login.
// Hook point: pre-login. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/pre_login.h>

pre_login_t on_pre_login(login_attempt_t attempt, account_t account) {
  if (!OBJECT_PRESENT(account)) return pre_login_unchanged();
  account_draft_t draft = account_draft_of(account);
  text_t address = connection_remote_ip(login_attempt_connection(attempt));
  uint64_t limit = text_starts_with(address, text("192.0.2.")) ? 0 : 512;
  account_draft_set_bandwidth_kb(draft, limit, limit);
  return pre_login_replace(draft);
}
