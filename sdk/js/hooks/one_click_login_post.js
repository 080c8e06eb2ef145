// Logs which user was logged in by one click, without the token.
// Hook point: one-click-login-post. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").OneClickLoginPost} */
export function oneClickLoginPost(_token, username, name) {
  log.info(`${username} was logged in at ${name}`);
}
