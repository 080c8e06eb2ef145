// Why a login was refused: by a hook with its reason, and because of a wrong password. At most six clicks lead there.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const asked = JSON.parse(given("WEB_REFUSED"));

await journey(async ({ open }) => {
  const page = await open();
  await logIn(page);
  for (const { user, says, secret } of asked) {
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Why refused?" }).click();
    await arrive(page, "Why refused?");
    await check(page);
    await page.getByRole("searchbox").fill(user);
    await page.getByRole("searchbox").press("Enter");
    await arrive(page, `Why was ${user} refused?`);
    for (const text of says) await page.getByRole("alert").filter({ hasText: text }).waitFor();
    await check(page);
    for (const summary of await page.locator("summary").all()) await summary.click();
    await check(page);
    // Neither on the page nor in what it folds.
    assert.ok(!(await page.content()).includes(secret), "the password stands on the page");
  }

  // From the refusal to the call of the hook, to the user, and to what would be asked again.
  const [{ user }] = asked;
  const back = page.url();
  await page.getByRole("searchbox").fill(user);
  await page.getByRole("searchbox").press("Enter");
  await arrive(page, `Why was ${user} refused?`);
  await page.getByRole("link", { name: "Open this call" }).first().click();
  await arrive(page, /^Call \d+ of /);
  await check(page);
  await page.getByRole("link", { name: "The whole attempt" }).click();
  await arrive(page, /^Why was .* refused\?$/);
  await page.getByRole("link", { name: "Ask again, without effects" }).first().click();
  await arrive(page, `Which hooks would be asked about ${user}?`);
  await check(page);
  await page.goto(back);
  await page.getByRole("link", { name: "Show this user" }).first().click();
  await arrive(page, /^User /);
});
