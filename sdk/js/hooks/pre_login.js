// Limits the bandwidth of clients that do not come from the office, just before the login.
// Hook point: pre-login. Build: ./build.sh in a project of `tidegate plugin new`.
import { AccountDraft, replace, unchanged } from "tidegate-hook";

/** @type {import("tidegate-hook").PreLogin} */
export function preLogin(attempt, account) {
  if (!account) {
    return unchanged();
  }
  const draft = AccountDraft.of(account);
  const limit = attempt.connection().remoteIp().startsWith("192.0.2.") ? 0 : 512;
  draft.setBandwidthKb(limit, limit);
  return replace(draft);
}
