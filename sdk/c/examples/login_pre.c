// Denies names that no account here has, before any credential is checked.
// Hook point: login-pre. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/login_pre.h>

login_pre_t on_login_pre(login_attempt_t attempt) {
  text_t username = login_attempt_username(attempt);
  bool ours = username.len > 0;
  for (size_t i = 0; i < username.len; i++) {
    char byte = (char) username.ptr[i];
    ours = ours && ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'));
  }
  return ours ? login_pre_allow() : login_pre_deny(text("not a name of ours"));
}
