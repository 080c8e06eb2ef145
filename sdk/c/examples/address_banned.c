// Logs what is banned, why, and for how long.
// Hook point: address-banned. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/address_banned.h>

address_banned_t on_address_banned(address_ban_t ban) {
  unsigned minutes = (unsigned) ((address_ban_until(ban) - address_ban_at(ban)) / 60);
  unsigned logins = address_ban_login_failed(ban) + address_ban_user_not_found(ban);
  const char *network = text_c(address_ban_network(ban));
  log_text(LOG_WARN, text_format("%s is banned for %u minutes after %u denied logins", network, minutes, logins));
  return address_banned_done();
}
