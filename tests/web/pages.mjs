// Every page of a server on which names are full of markup: names are texts, and no page has a fault.
import assert from "node:assert/strict";

import { logIn } from "./administrator.mjs";
import { given, journey } from "./browser.mjs";
import { check } from "./check.mjs";
import { crawl, pages } from "./crawl.mjs";

/** Texts that have to be read somewhere, as they are but for their lines. */
const names = JSON.parse(given("WEB_NAMES")).map(inOneLine);

function inOneLine(text) {
  return text.replace(/\s+/g, " ");
}

await journey(async ({ open }) => {
  const page = await open();
  await logIn(page);
  const faults = [];
  const unread = new Set(names);
  const found = await crawl(page, pages(), async (page) => {
    await check(page).catch((error) => faults.push(error.message));
    const text = inOneLine(await page.locator("body").innerText());
    for (const name of [...unread]) if (text.includes(name)) unread.delete(name);
  });
  console.log(found.join("\n"));
  assert.deepEqual(faults, []);
  assert.deepEqual([...unread], [], "these names are on no page");
});
