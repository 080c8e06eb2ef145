// Two administrators change a user at once: the second is told, and nothing of either is lost.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { address, given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const user = given("WEB_USER");
const preview = (page) => page.getByRole("button", { name: "See the difference" }).click();
const save = (page) => page.getByRole("button", { name: "Save", exact: true }).click();

await journey(async ({ open }) => {
  const [first, second] = [await open(), await open({ refusals: [409] })];
  for (const page of [first, second]) {
    await logIn(page, `/web/users/edit?name=${encodeURIComponent(user)}`);
    await arrive(page, `Edit user ${user}`);
  }
  await check(first);
  await first.getByLabel("Description").first().fill("of the first window");
  await preview(first);
  await arrive(first, `Save user ${user}?`);
  await check(first);
  await save(first);
  await first.getByText("The changes were saved.").waitFor();

  await second.getByLabel("Email", { exact: true }).fill("second@example.com");
  await preview(second);
  await save(second);
  await arrive(second, `User ${user} was changed meanwhile`);
  await check(second);
  await second.getByRole("region", { name: "What was saved meanwhile" }).getByText("of the first window").waitFor();
  await second.getByRole("region", { name: /^Your changes/ }).getByText("second@example.com").waitFor();
  await second.getByRole("button", { name: "Review and save them" }).click();
  await arrive(second, `Save user ${user}?`);
  const changed = await second.locator("#difference tbody tr td:first-child").allInnerTexts();
  assert.deepEqual(changed, ["email"], "what the first saved is not changed back");
  await save(second);
  await second.getByText("The changes were saved.").waitFor();
  const shown = await second.locator("main").innerText();
  for (const text of ["of the first window", "second@example.com"]) assert.ok(shown.includes(text), text);
  await first.goto(`${address}/web/users`);
  await check(first);
});
