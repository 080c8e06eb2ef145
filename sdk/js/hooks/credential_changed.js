// Logs login URLs that never expire.
// Hook point: credential-changed. Build: ./build.sh in a project of `tidegate plugin new`.
import { log } from "tidegate-hook";

/** @type {import("tidegate-hook").CredentialChanged} */
export function credentialChanged(change) {
  if (change.isLoginUrl() && !change.expiresAt()) {
    log.warn(`the login URL ${change.name()} of ${change.username()} never expires`);
  }
}
