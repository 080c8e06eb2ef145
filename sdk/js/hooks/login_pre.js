// Denies names that no account here has, before any credential is checked.
// Hook point: login-pre. Build: ./build.sh in a project of `tidegate plugin new`.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").LoginPre} */
export function loginPre(attempt) {
  return /^[a-z0-9]+$/.test(attempt.username()) ? allow() : deny("not a name of ours");
}
