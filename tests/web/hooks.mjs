// Which hook is slow, and what the configured hooks say about a made-up login.
import assert from "node:assert/strict";

import { arrive, logIn } from "./administrator.mjs";
import { given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

await journey(async ({ open }) => {
  const page = await open();
  await logIn(page);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Hooks" }).click();
  await arrive(page, "Hooks");
  const row = page.getByRole("row").filter({ hasText: given("WEB_HOOK") });
  const heads = await page.getByRole("columnheader").allInnerTexts();
  const cell = async (head) => (await row.getByRole("cell").nth(heads.indexOf(head)).innerText()).trim();
  assert.notEqual(await cell("Calls"), "0");
  assert.match(await cell("p99"), /^≤ [\d.]+ (µs|ms|s)$/);
  await check(page);
  await page.getByRole("link", { name: "Ask about a made-up event" }).click();
  await arrive(page, "Ask about a made-up event");
  await check(page);
  await page.getByLabel("Event").fill(JSON.stringify({ username: given("WEB_USER") }));
  await page.getByRole("button", { name: "Ask the configured hooks" }).click();
  await arrive(page, "What the hooks of login-pre say");
  await page.locator("main").getByText(given("WEB_REASON")).first().waitFor();
  await check(page);
});
