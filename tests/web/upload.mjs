// An upload that is under way is watched, and its connection closed. The test writes more of the file once this has seen what
// it has written so far.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { address, given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const [user, file] = [given("WEB_USER"), given("WEB_FILE")];

await journey(async ({ open }) => {
  const page = await open();
  await logIn(page);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Connections" }).click();
  await arrive(page, "Connections");
  const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: user, exact: true }) });
  const upload = row.getByRole("listitem").filter({ hasText: `upload ${file}` });
  await upload.filter({ hasText: given("WEB_FIRST") }).waitFor();
  const end = row.getByRole("button", { name: `Close the connection of ${user}`, exact: true });
  await end.focus();
  console.log("seen");

  // By itself, and without taking the keyboard away from somebody who is about to press a button.
  await upload.filter({ hasText: given("WEB_SECOND") }).waitFor();
  assert.ok(await end.evaluate((button) => button === document.activeElement), "the button has lost the focus");
  await check(page);

  // The filter holds as one types, and while the list refreshes.
  const filter = page.getByRole("searchbox");
  await filter.fill("none of them");
  await row.waitFor({ state: "detached" });
  await page.waitForResponse((response) => response.url().includes("part=table"));
  assert.equal(await row.count(), 0, "the list that refreshed forgot the filter");
  await filter.fill(file.slice(1, 4));
  await row.waitFor();

  await page.getByRole("link", { name: "Stop refreshing" }).click();
  await page.getByRole("link", { name: "Refresh every two seconds" }).waitFor();
  await check(page);
  await end.click();
  await page.getByText("The connection was closed.").waitFor();
  await check(page);
  assert.equal(await row.count(), 0);
  assert.ok(page.url().startsWith(`${address}/web/connections`));
});
