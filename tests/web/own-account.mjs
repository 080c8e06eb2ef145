// An administrator changes the own password, by which all own sessions end; the audit shows it without the password.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { arrive, logIn, own, sendLogIn } from "./administrator.mjs";
import { address, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const next = "another long password";

async function change(page, current, once, again) {
  await page.getByLabel("Current password").fill(current);
  await page.getByLabel("New password", { exact: true }).fill(once);
  await page.getByLabel("New password again").fill(again);
  await page.getByRole("button", { name: "Change the password" }).click();
}

await journey(async ({ open }) => {
  const page = await open({ refusals: [400, 401, 403, 422] });
  const other = await open();
  await logIn(other);
  await logIn(page, "/web/account");
  await change(page, own.password, next, "something else");
  await page.getByRole("alert").filter({ hasText: "typed twice" }).waitFor();
  await page.goto(`${address}/web/account`);
  await change(page, "wrong", next, next);
  await page.getByRole("alert").waitFor();
  await check(page);
  await page.goto(`${address}/web/account`);
  await change(page, own.password, next, next);
  await arrive(page, "Log in");
  await other.goto(`${address}/web`);
  await arrive(other, "Log in");
  await sendLogIn(page, own);
  await page.getByRole("alert").waitFor();
  await sendLogIn(page, { ...own, password: next });
  await page.waitForURL(`${address}/web`);

  await page.goto(`${address}/web/audit`);
  await page.getByRole("row").filter({ hasText: own.username }).first().waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export as JSON lines" }).click();
  const text = readFileSync(await (await saved).path(), "utf8");
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  assert.ok(lines.some((line) => line.author === own.username), text);
  for (const secret of [own.password, next]) {
    assert.ok(!text.includes(secret) && !(await page.content()).includes(secret), "a password is in the audit");
  }
});
