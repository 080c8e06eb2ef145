// Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
// All other names are left to the next hook.
// Hook point: external-auth, on SpiderMonkey. Build: npm install && npm run build.

import { get } from "tidegate:hooks/config@0.1.2";
import { AccountDraft } from "tidegate:hooks/types@0.1.2";

export const externalAuth = {
  authenticate(attempt) {
    const username = attempt.username();
    if (!username.startsWith("guest-")) {
      return { tag: "defer" };
    }
    const hash = get("password_hash");
    const directory = get("directory");
    if (!hash || !directory) {
      // A failure, not a verdict: the server refuses and logs the message.
      throw { message: "config.password_hash and config.directory are needed", transient: false };
    }
    if (attempt.method().tag !== "password" || !attempt.passwordMatches(hash)) {
      return { tag: "reject", val: { reason: "not the guests' password" } };
    }
    const draft = new AccountDraft(username);
    draft.setHomeDirectory(directory);
    draft.setPermissions("/", ["list", "download"]);
    return { tag: "accept", val: draft };
  },
};
