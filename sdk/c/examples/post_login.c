// Counts failed logins by address, for an hour.
// Hook point: post-login. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/post_login.h>

post_login_t on_post_login(connection_t connection, login_attempt_t attempt, session_t session, text_t problem) {
  (void) attempt, (void) problem;
  if (OBJECT_PRESENT(session)) return post_login_done();
  text_t key = text_format("failed/%s", text_c(connection_remote_ip(connection)));
  int64_t total;
  return kv_increment(key, 1, 3600, &total) ? post_login_done() : post_login_fail_for_now(hook_error());
}
