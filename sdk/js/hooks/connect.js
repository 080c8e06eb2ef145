// Turns a network of scanners away, before the handshake.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").Connect} */
export function connect(connection) {
  return connection.remoteIp().startsWith("203.0.113.") ? deny("a network of scanners") : allow();
}
