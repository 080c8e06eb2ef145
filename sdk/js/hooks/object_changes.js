// Logs who changed which account.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").ObjectChanges} */
export function objectChanges(change) {
  log.info(`${change.actor() ?? "the system"}: ${change.change()} ${change.kind().tag} ${change.name()}`);
}
