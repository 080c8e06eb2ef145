// An API key is made, used, and revoked; its text is shown once.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { address, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const users = async (key) =>
  (await fetch(`${address}/api/v2/users`, { headers: { "X-SFTPGO-API-KEY": key } })).status;

await journey(async ({ open }) => {
  const page = await open();
  await logIn(page, "/web/keys");
  await check(page);
  await page.getByRole("link", { name: "Make a key" }).click();
  await arrive(page, "Make an API key");
  await check(page);
  await page.getByLabel("Name", { exact: true }).fill("nightly");
  await page.getByRole("group", { name: "Allow" }).getByLabel("user.list").check();
  await page.getByRole("button", { name: "Make the key" }).click();
  await arrive(page, "The new key");
  await check(page);
  const key = await page.locator("code").filter({ hasText: "tgk_" }).innerText();
  assert.equal(await users(key), 200);
  await page.getByRole("link", { name: "To all keys" }).click();
  assert.ok(!(await page.content()).includes(key), "the key is shown again");
  await check(page);

  await page.getByRole("button", { name: "Give the key nightly a new text" }).click();
  await arrive(page, "The new key");
  const next = await page.locator("code").filter({ hasText: "tgk_" }).innerText();
  assert.deepEqual([await users(key), await users(next)], [401, 200]);
  await page.getByRole("link", { name: "To all keys" }).click();
  await page.getByRole("button", { name: "Revoke the key nightly" }).click();
  await page.getByText("It was revoked.").waitFor();
  assert.equal(await users(next), 401);
});
