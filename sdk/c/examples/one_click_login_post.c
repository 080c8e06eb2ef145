// Logs which user was logged in by one click, without the token.
// Hook point: one-click-login-post. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/one_click_login_post.h>

one_click_login_post_t on_one_click_login_post(text_t token, text_t username, text_t name) {
  (void) token;
  log_text(LOG_INFO, text_format("%s was logged in at %s", text_c(username), text_c(name)));
  return one_click_login_post_done();
}
