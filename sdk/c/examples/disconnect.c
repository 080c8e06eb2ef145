// Logs connections that ended without a login.
// Hook point: disconnect. Build: ./build.sh in a project of `tidegate plugin new`.

#include <inttypes.h>

#include <hooks/disconnect.h>

disconnect_t on_disconnect(connection_t connection, session_t session, uint64_t milliseconds) {
  if (!OBJECT_PRESENT(session)) {
    const char *address = text_c(connection_remote_ip(connection));
    log_text(LOG_WARN, text_format("%s left after %" PRIu64 " ms without a login", address, milliseconds));
  }
  return disconnect_done();
}
