// Logs each change of an object, with its actor.
// Hook point: object-changes. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/object_changes.h>

object_changes_t on_object_changes(object_change_t change) {
  text_t actor = object_change_actor(change);
  const char *who = text_present(actor) ? text_c(actor) : "the system";
  log_text(LOG_INFO, text_format("%s changed %s", who, text_c(object_change_name(change))));
  return object_changes_done();
}
