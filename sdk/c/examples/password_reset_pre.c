// Nobody resets the password of an administrator over the web.

#include <hooks/password_reset_pre.h>

password_reset_pre_t on_password_reset_pre(web_request_t request) {
  bool administrator = text_starts_with(web_request_username(request), text("admin"));
  return administrator ? password_reset_pre_deny(text("an administrator")) : password_reset_pre_allow();
}
