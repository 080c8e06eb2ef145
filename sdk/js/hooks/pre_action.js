// Denies uploads of programs.
// Hook point: pre-action. Build: ./build.sh in a project of `tidegate plugin new`.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").PreAction} */
export function preAction(action) {
  const program = /\.(exe|bat|com)$/i.test(action.virtualPath());
  return action.kind().tag === "upload" && program ? deny("a program", "programs are not taken here") : allow();
}
