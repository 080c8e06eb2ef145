// Passwords may have a six-digit code at their end, which is taken off before the server compares.
// Needs the grant `credentials`.
import { defer, verify } from "tidegate-hook";

/** @type {import("tidegate-hook").CheckPassword} */
export function checkPassword(attempt) {
  const [, password] = /^(.*)-[0-9]{6}$/.exec(attempt.password()) ?? [];
  return password === undefined ? defer() : verify(password);
}
