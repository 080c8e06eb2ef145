// Keeps accounts of partners out while "maintenance" is set in the settings.
import { allow, config, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").SessionCreate} */
export function sessionCreate(session) {
  const partner = session.account().groups().includes("partners");
  return partner && config.get("maintenance") === "true" ? deny("maintenance") : allow();
}
