// Writes a line to the log when the server starts.
// Hook point: startup. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").Startup} */
export function startup(serverVersion) {
  log.info(`hello, server ${serverVersion}`);
}
