// Denies uploads of programs.
// Hook point: pre-action. Build: ./build.sh in a project of `tidegate plugin new`.

#include <string.h>
#include <strings.h>

#include <hooks/pre_action.h>

pre_action_t on_pre_action(file_action_t action) {
  const char *path = text_c(file_action_virtual_path(action));
  const char *end = strrchr(path, '.');
  bool program = end && (!strcasecmp(end, ".exe") || !strcasecmp(end, ".bat") || !strcasecmp(end, ".com"));
  bool upload = file_action_kind(action).tag == TIDEGATE_HOOKS_TYPES_ACTION_KIND_UPLOAD;
  if (!upload || !program) return pre_action_allow();
  return pre_action_deny_with(text("a program"), text("programs are not taken here"));
}
