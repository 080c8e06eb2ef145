// Lets a password end in a hyphen and a code of six characters, which it takes off before the server compares.
// Needs the grant `credentials`.
// Hook point: check-password. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/check_password.h>

check_password_t on_check_password(login_attempt_t attempt) {
  text_t password = login_attempt_password(attempt);
  if (!text_present(password)) return check_password_fail(hook_error());
  if (password.len < 7 || password.ptr[password.len - 7] != '-') return check_password_defer();
  return check_password_verify(text_of((const char *) password.ptr, password.len - 7));
}
