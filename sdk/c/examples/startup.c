// Writes a line to the log when the server starts.
// Hook point: startup. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/startup.h>

startup_t on_startup(text_t version) {
  log_text(LOG_INFO, text_format("hello, server %s", text_c(version)));
  return startup_done();
}
