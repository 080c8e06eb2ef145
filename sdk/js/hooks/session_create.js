// Denies sessions to partners' accounts while "maintenance" is set in the settings.
// Hook point: session-create. Build: ./build.sh in a project of `tidegate plugin new`.
import { allow, config, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").SessionCreate} */
export function sessionCreate(session) {
  const partner = session.account().groups().includes("partners");
  return partner && config.get("maintenance") === "true" ? deny("maintenance") : allow();
}
