// Counts failed logins by address, for an hour.
// Hook point: post-login. Build: ./build.sh in a project of `tidegate plugin new`.
import { kv } from "tidegate-hook";

/** @type {import("tidegate-hook").PostLogin} */
export function postLogin(connection, _attempt, outcome) {
  if (outcome.tag === "err") {
    kv.increment(`failed/${connection.remoteIp()}`, 1, 3600);
  }
}
