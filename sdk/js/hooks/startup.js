// Writes a line to the log when the server starts.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").Startup} */
export function startup(serverVersion) {
  log.info(`hello, server ${serverVersion}`);
}
