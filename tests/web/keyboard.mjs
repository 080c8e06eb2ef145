// The log-in, and the way to a page, with no more than the keyboard; where the focus is can always be seen.
import assert from "node:assert/strict";

import { arrive, own } from "./administrator.mjs";
import { address, journey } from "./browser.mjs";

/** In the page: the element with the focus, and whether it is seen. */
function focused() {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const style = getComputedStyle(element);
  const top = document.elementFromPoint(x, y);
  return {
    name: element.getAttribute("aria-label") || element.innerText || element.labels?.[0]?.innerText || element.id,
    isPage: element === document.body,
    isOutlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isUncovered: Boolean(top && (element.contains(top) || top.contains(element))),
  };
}

/** Presses Tab until the focus is on what has that name. */
async function tabTo(page, name) {
  for (let pressed = 0; pressed < 60; pressed += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(focused);
    if (at.isPage) continue;
    assert.ok(at.isOutlined, `the focus on “${at.name}” is not seen`);
    assert.ok(at.isUncovered, `“${at.name}” is covered while it has the focus`);
    if (at.name.trim() === name) return;
  }
  assert.fail(`Tab does not come to “${name}” on ${page.url()}`);
}

await journey(async ({ open }) => {
  const page = await open();
  const keyboard = page.keyboard;
  await page.goto(`${address}/web`);
  // The form is ready to be typed into.
  await page.locator("#username:focus").waitFor();
  await keyboard.type(own.username);
  await keyboard.press("Tab");
  await keyboard.type(own.password);
  await keyboard.press("Enter");
  await page.waitForURL(`${address}/web`);

  // The menu can be skipped, and be used.
  await keyboard.press("Tab");
  assert.equal((await page.evaluate(focused)).name, "Skip to the content");
  await keyboard.press("Enter");
  await page.locator("main:focus").waitFor();
  await page.goto(`${address}/web`);
  await tabTo(page, "Users");
  await keyboard.press("Enter");
  await arrive(page, "Users");
  await tabTo(page, "Add a user");
  await keyboard.press("Enter");
  await page.waitForURL(`${address}/web/users/new`);
  await page.goto(`${address}/web`);
  await tabTo(page, "Log out");
  await keyboard.press("Enter");
  await arrive(page, "Log in");
});
