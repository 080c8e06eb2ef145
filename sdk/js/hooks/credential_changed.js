// Logs new login URLs that never expire.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").CredentialChanged} */
export function credentialChanged(change) {
  if (change.isLoginUrl() && !change.expiresAt()) {
    log.warn(`the login URL ${change.name()} of ${change.username()} never expires`);
  }
}
