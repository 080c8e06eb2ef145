// Denies requests for a new password of an administrator.
// Hook point: password-reset-pre. Build: ./build.sh in a project of `tidegate plugin new`.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").PasswordResetPre} */
export function passwordResetPre(request) {
  return request.username().startsWith("admin") ? deny("an administrator") : allow();
}
