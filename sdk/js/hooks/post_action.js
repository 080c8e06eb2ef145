// Remembers the last upload of each user.
import { kv } from "tidegate-hook";

/** @type {import("tidegate-hook").PostAction} */
export function postAction(action) {
  if (action.kind().tag === "upload" && action.status()?.tag === "ok") {
    kv.set(`last/${action.session().username()}`, new TextEncoder().encode(action.virtualPath()), null);
  }
}
