// Logs each change of an object, with its actor.
// Hook point: object-changes. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").ObjectChanges} */
export function objectChanges(change) {
  log.info(`${change.actor() ?? "the system"}: ${change.change()} ${change.kind().tag} ${change.name()}`);
}
