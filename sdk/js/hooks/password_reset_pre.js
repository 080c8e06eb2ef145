// Nobody resets the password of an administrator over the web.
import { allow, deny } from "tidegate-hook";

/** @type {import("tidegate-hook").PasswordResetPre} */
export function passwordResetPre(request) {
  return request.username().startsWith("admin") ? deny("an administrator") : allow();
}
