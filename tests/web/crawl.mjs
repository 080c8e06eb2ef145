// The pages of the web admin, found as people find them: by the links on them.
import { address, given } from "./browser.mjs";

/** Of those that differ in the values in their addresses alone, as many are visited. */
const ALIKE = 3;

/** Where the test wants it to look first: pages that no link leads to, and those of the users with the oddest names. */
export function pages() {
  const users = JSON.parse(given("WEB_USERS")).map((name) => new URLSearchParams({ name }));
  const ofUsers = ["show", "edit", "json", "delete"].flatMap((page) => users.map((name) => `/web/users/${page}?${name}`));
  return [...ofUsers, ...JSON.parse(given("WEB_PAGES"))];
}

/** The path and the names of the fields: one page, whatever it shows. */
function kindOf(url) {
  return [url.pathname, ...[...new URLSearchParams(url.search).keys()].sort()].join(" ");
}

/**
 * Visits every page that links lead to from those in the window, and from `more`; calls `visit` in each.
 * Gives the paths of all.
 */
export async function crawl(page, more, visit) {
  const waiting = ["/web", ...more].map((path) => new URL(path, address));
  const visited = new Map();
  const seen = new Set();
  while (waiting.length) {
    const url = waiting.shift();
    url.hash = "";
    const kind = kindOf(url);
    if (seen.has(url.href) || (visited.get(kind) ?? 0) >= ALIKE) continue;
    seen.add(url.href);
    if (!(await isPage(page, url))) continue;
    visited.set(kind, (visited.get(kind) ?? 0) + 1);
    await visit(page, url);
    const links = await page.locator("a[href]").evaluateAll((links) => links.map((link) => link.href));
    waiting.push(...links.map((link) => new URL(link)).filter((link) => link.origin === address));
  }
  return [...visited.keys()];
}

/** Opens it; false: it is a file, which the browser would save. */
async function isPage(page, url) {
  try {
    await page.goto(url.href);
    return true;
  } catch (error) {
    if (error.message.includes("Download is starting")) return false;
    throw error;
  }
}
