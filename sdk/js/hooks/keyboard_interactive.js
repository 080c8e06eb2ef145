// Asks for the password, and then for the name of the town.
// Hook point: keyboard-interactive. Build: ./build.sh in a project of `tidegate plugin new`.
import { accept, reject } from "tidegate-hook";

/** @type {import("tidegate-hook").KeyboardInteractive} */
export function keyboardInteractive(_attempt, conversation) {
  const [password] = conversation.ask("", [{ text: "Password: ", echo: false }]);
  if (!conversation.verifyPassword(password)) {
    return reject("not the password");
  }
  const [town] = conversation.ask("", [{ text: "Town: ", echo: true }]);
  return town === "Tidegate" ? accept() : reject("not the town");
}
