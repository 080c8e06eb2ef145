// Lets a password end in a hyphen and a code of six digits, which it takes off before the server compares.
// Needs the grant `credentials`.
// Hook point: check-password. Build: ./build.sh in a project of `tidegate plugin new`.
import { defer, verify } from "tidegate-hook";

/** @type {import("tidegate-hook").CheckPassword} */
export function checkPassword(attempt) {
  const [, password] = /^(.*)-[0-9]{6}$/.exec(attempt.password()) ?? [];
  return password === undefined ? defer() : verify(password);
}
