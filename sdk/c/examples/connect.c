// Denies connections from a network of scanners, before the handshake.
// Hook point: connect. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/connect.h>

connect_t on_connect(connection_t connection) {
  bool scanner = text_starts_with(connection_remote_ip(connection), text("203.0.113."));
  return scanner ? connect_deny(text("a network of scanners")) : connect_allow();
}
