// Logs how much each session moved.
// Hook point: session-destroy. Build: ./build.sh in a project of `tidegate plugin new`.

#include <inttypes.h>

#include <hooks/session_destroy.h>

session_destroy_t on_session_destroy(session_t session, text_t reason, uint64_t milliseconds) {
  uint64_t moved = session_bytes_received(session) + session_bytes_sent(session);
  const char *username = text_c(session_username(session));
  log_text(LOG_INFO, text_format("%s: %" PRIu64 " bytes in %" PRIu64 " s (%s)", username, moved, milliseconds / 1000,
                                 text_c(reason)));
  return session_destroy_done();
}
