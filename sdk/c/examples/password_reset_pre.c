// Denies requests for a new password of an administrator.
// Hook point: password-reset-pre. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/password_reset_pre.h>

password_reset_pre_t on_password_reset_pre(web_request_t request) {
  bool administrator = text_starts_with(web_request_username(request), text("admin"));
  return administrator ? password_reset_pre_deny(text("an administrator")) : password_reset_pre_allow();
}
