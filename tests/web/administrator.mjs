// An administrator at the log-in.
import { execFileSync } from "node:child_process";

import { address, given } from "./browser.mjs";

/** The one whom the test made for the journey. */
export const own = { username: given("WEB_USERNAME"), password: given("WEB_PASSWORD") };

/** Fills in the form for log-in, which the window shows, and sends it. */
export async function sendLogIn(page, { username, password, code = "" }) {
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByLabel("One-time code").fill(code);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Opens the page with that path by way of the log-in. */
export async function logIn(page, path = "/web", who = own) {
  await page.goto(address + path);
  await sendLogIn(page, who);
  await page.waitForURL(address + path);
}

/** The present code of an authenticator. */
export function oneTimeCode(secret) {
  return execFileSync("oathtool", ["--totp", "--base32", secret], { encoding: "utf8" }).trim();
}

/** The first heading of the page, once it has that text. */
export async function arrive(page, heading) {
  await page.getByRole("heading", { level: 1, name: heading, exact: typeof heading === "string" }).waitFor();
}
