// Refuses names that no account of ours has, before any credential is looked at.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").LoginPre} */
export function loginPre(attempt) {
  return /^[a-z0-9]+$/.test(attempt.username()) ? allow() : deny("not a name of ours");
}
