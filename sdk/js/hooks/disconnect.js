// Logs connections that ended without a login.
// Hook point: disconnect. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").Disconnect} */
export function disconnect(connection, session, duration) {
  if (!session) {
    log.warn(`${connection.remoteIp()} left after ${duration} ms without a login`);
  }
}
