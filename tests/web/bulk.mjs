// Several users are disabled, enabled and deleted at once, after their number was looked at.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const users = JSON.parse(given("WEB_USERS"));

await journey(async ({ open }) => {
  const page = await open({ refusals: [400] });
  await logIn(page, "/web/users");
  // None is ticked.
  await page.getByRole("button", { name: "Disable…" }).click();
  await page.getByRole("alert").waitFor();
  await check(page);
  await page.goBack();
  for (const [what, state] of [["Disable", "disabled"], ["Enable", "enabled"], ["Delete", undefined]]) {
    for (const user of users) await page.getByRole("checkbox", { name: `Tick ${user}`, exact: true }).check();
    await page.getByRole("button", { name: `${what}…` }).click();
    await arrive(page, `${what} ${users.length} account(s)?`);
    await check(page);
    await page.getByRole("button", { name: `${what} ${users.length} account(s)` }).click();
    await page.getByText("It was done with all of them.").waitFor();
    for (const user of users) {
      const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: user, exact: true }) });
      if (state) await row.getByText(state, { exact: true }).waitFor();
      else assert.equal(await row.count(), 0, `${user} is there`);
    }
  }
});
