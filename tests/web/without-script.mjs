// Log-in and a change of a user in a browser that runs no scripts.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { address, given, journey } from "./browser.mjs";

const user = given("WEB_USER");

await journey(async ({ open }) => {
  const page = await open({ javaScriptEnabled: false });
  await logIn(page, "/web/users");
  await page.getByRole("link", { name: user, exact: true }).click();
  await arrive(page, `User ${user}`);
  await page.getByRole("link", { name: "Edit" }).first().click();
  await arrive(page, `Edit user ${user}`);
  await page.getByLabel("Description").first().fill("Changed without scripts");
  await page.getByRole("button", { name: "See the difference" }).click();
  await arrive(page, `Save user ${user}?`);
  const row = page.getByRole("row").filter({ hasText: "description" });
  await row.filter({ hasText: "Changed without scripts" }).waitFor();
  assert.equal(await page.locator("#difference tbody tr").count(), 1, "no other field is different");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("The changes were saved.").waitFor();
  await page.locator("dd").filter({ hasText: "Changed without scripts" }).waitFor();

  // The list is searched by its button.
  await page.goto(`${address}/web/users`);
  await page.getByRole("searchbox").fill(user.slice(0, 2));
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL(/search=/);
  await page.getByRole("link", { name: user, exact: true }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await arrive(page, "Log in");
});
