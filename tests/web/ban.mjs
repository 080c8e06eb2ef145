// An address is banned, or its ban is ended; the test tries afterwards what the address may do.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const banned = given("WEB_ADDRESS_TO_BAN");

await journey(async ({ open }) => {
  const page = await open({ refusals: [422] });
  await logIn(page);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Bans" }).click();
  await arrive(page, "Bans");
  const row = page.getByRole("row").filter({ hasText: banned });
  if (given("WEB_STEP") === "end") {
    await page.getByRole("button", { name: `End the ban of ${banned}` }).click();
    await page.getByText("The ban was ended.").waitFor();
    assert.equal(await row.count(), 0);
    return;
  }
  await check(page);
  await page.getByLabel("Address", { exact: true }).fill("no address");
  await page.getByRole("button", { name: "Ban the address" }).click();
  await page.getByRole("alert").waitFor();
  await check(page);
  await page.goBack();
  await page.getByLabel("Address", { exact: true }).fill(banned);
  await page.getByLabel("Minutes").fill("5");
  await page.getByRole("button", { name: "Ban the address" }).click();
  await page.getByText("The address is banned.").waitFor();
  await row.filter({ hasText: "by an administrator" }).waitFor();
  await check(page);
});
