// Logs whom a click has logged in, and never the token.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").OneClickLoginPost} */
export function oneClickLoginPost(_token, username, name) {
  log.info(`${username} was logged in at ${name}`);
}
