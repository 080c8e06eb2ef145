// Logs how much each session moved.
// Hook point: session-destroy. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").SessionDestroy} */
export function sessionDestroy(session, reason, duration) {
  const bytes = Number(session.bytesReceived()) + Number(session.bytesSent());
  log.info(`${session.username()}: ${bytes} bytes in ${Math.floor(Number(duration) / 1000)} s (${reason})`);
}
