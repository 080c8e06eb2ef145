// Denies sessions to partners' accounts while "maintenance" is set in the settings.
// Hook point: session-create. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/session_create.h>

session_create_t on_session_create(session_t session) {
  texts_t groups = account_groups(session_account(session));
  bool partner = false;
  for (size_t i = 0; i < groups.len; i++) partner = partner || text_equals(groups.ptr[i], text("partners"));
  text_t maintenance = config_get(text("maintenance"));
  bool closed = text_present(maintenance) && text_equals(maintenance, text("true"));
  return partner && closed ? session_create_deny(text("maintenance")) : session_create_allow();
}
