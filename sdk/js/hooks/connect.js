// Denies connections from a network of scanners, before the handshake.
// Hook point: connect. Build: ./build.sh in a project of `tidegate plugin new`.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").Connect} */
export function connect(connection) {
  return connection.remoteIp().startsWith("203.0.113.") ? deny("a network of scanners") : allow();
}
