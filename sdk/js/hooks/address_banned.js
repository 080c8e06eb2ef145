// Logs what is banned, why, and for how long.
// Hook point: address-banned. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").AddressBanned} */
export function addressBanned(ban) {
  const minutes = Math.floor((ban.until() - ban.at()) / 60);
  const logins = ban.loginFailed() + ban.userNotFound();
  log.warn(`${ban.network()} is banned for ${minutes} minutes after ${logins} denied logins`);
}
