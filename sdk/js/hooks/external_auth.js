// Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
// All other names are left to the next hook.
// Hook point: external-auth. Build: ./build.sh in a project of `tidegate plugin new`.
import { accept, AccountDraft, config, defer, fail, reject } from "tidegate-hook";

/** @type {import("tidegate-hook").ExternalAuth} */
export function externalAuth(attempt) {
  const username = attempt.username();
  if (!username.startsWith("guest-")) {
    return defer();
  }
  const hash = config.get("password_hash");
  const directory = config.get("directory");
  if (!hash || !directory) {
    // A failure, not a verdict: the server refuses and logs the message.
    fail("config.password_hash and config.directory are needed");
  }
  // The server compares, so the plugin needs neither the password nor a grant.
  if (attempt.method().tag !== "password" || !attempt.passwordMatches(hash)) {
    return reject("not the guests' password");
  }
  const draft = new AccountDraft(username);
  draft.setHomeDirectory(directory);
  draft.setPermissions("/", ["list", "download"]);
  return accept(draft);
}
