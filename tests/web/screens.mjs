// Pictures of every page, in both themes and in a narrow and a wide window, for people to look at.
import { mkdirSync, readdirSync, rmSync } from "node:fs";

import { logIn } from "./administrator.mjs";
import { address, journey } from "./browser.mjs";
import { crawl, pages } from "./crawl.mjs";

const DIRECTORY = new URL("screens/", import.meta.url);
const WIDTHS = [360, 2560];
const THEMES = ["light", "dark"];
/** CSS pixels; what is below is not in the picture. */
const HEIGHT = 1440;

mkdirSync(DIRECTORY, { recursive: true });
for (const name of readdirSync(DIRECTORY)) if (name.endsWith(".png")) rmSync(new URL(name, DIRECTORY));

await journey(async ({ open }) => {
  const page = await open();
  await page.goto(`${address}/web/login`);
  await take(page, "log-in");
  await logIn(page);
  const taken = new Set();
  await crawl(page, pages(), async (page, url) => {
    const name = url.pathname.split("/").slice(2).join("-") || "overview";
    // One of each page is enough to look at.
    if (taken.has(name)) return;
    taken.add(name);
    await take(page, name);
  });
});

async function take(page, name) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: HEIGHT });
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      const path = new URL(`${name}-${width}-${colorScheme}.png`, DIRECTORY).pathname;
      await page.screenshot({ path, animations: "disabled", caret: "hide" });
    }
  }
}
