// Remembers the last upload of each user.
// Hook point: post-action. Build: ./build.sh in a project of `tidegate plugin new`.
import { kv } from "tidegate-hook";

/** @type {import("tidegate-hook").PostAction} */
export function postAction(action) {
  if (action.kind().tag === "upload" && action.status()?.tag === "ok") {
    kv.set(`last/${action.session().username()}`, new TextEncoder().encode(action.virtualPath()), null);
  }
}
