// Asks for the password, and then for the name of the town.
// Hook point: keyboard-interactive. Build: ./build.sh in a project of `tidegate plugin new`.

#include <hooks/keyboard_interactive.h>

keyboard_interactive_t on_keyboard_interactive(login_attempt_t attempt, conversation_t conversation) {
  (void) attempt;
  text_t password = conversation_ask(conversation, text("Password: "), false);
  if (!text_present(password)) return keyboard_interactive_fail(text("the user went away"));
  if (!conversation_verify_password(conversation, password)) return keyboard_interactive_reject(text("not the password"));
  text_t town = conversation_ask(conversation, text("Town: "), true);
  if (!text_equals(town, text("Tidegate"))) return keyboard_interactive_reject(text("not the town"));
  return keyboard_interactive_accept_stored();
}
