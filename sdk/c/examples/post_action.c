// Remembers the last upload of each user.
// Hook point: post-action. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/post_action.h>

post_action_t on_post_action(file_action_t action) {
  tidegate_hooks_types_action_status_t status;
  bool done = file_action_status(action, &status) && status.tag == TIDEGATE_HOOKS_TYPES_ACTION_STATUS_OK;
  if (!done || file_action_kind(action).tag != TIDEGATE_HOOKS_TYPES_ACTION_KIND_UPLOAD) return post_action_done();
  text_t path = file_action_virtual_path(action);
  text_t key = text_format("last/%s", text_c(session_username(file_action_session(action))));
  bool kept = kv_set(key, (bytes_t) {path.ptr, path.len}, 0);
  return kept ? post_action_done() : post_action_fail_for_now(hook_error());
}
