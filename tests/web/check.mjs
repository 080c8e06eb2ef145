// What holds for every page, in both themes and however narrow the window is.
import { axe } from "./browser.mjs";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
/** CSS pixels; WCAG 2.2, 1.4.10 asks for 320 of them, where the server promises 360. */
const NARROW = 320;

/** Throws if the page that a window shows has a fault. */
export async function check(page) {
  const faults = [];
  // What refreshes itself would change under the look.
  await page.evaluate(() => {
    globalThis.holdRefresh = (event) => event.preventDefault();
    document.addEventListener("htmx:beforeRequest", globalThis.holdRefresh);
  });
  await page.emulateMedia({ colorScheme: "light" });
  faults.push(...(await violations(page, { type: "tag", values: RULES })));
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await violations(page, { type: "rule", values: ["color-contrast"] });
  faults.push(...dark.map((fault) => `in the dark theme, ${fault}`));
  await page.emulateMedia({ colorScheme: null });
  faults.push(...(await overflow(page)), ...(await page.evaluate(markup)), ...(await page.evaluate(frame)));
  await page.evaluate(() => document.removeEventListener("htmx:beforeRequest", globalThis.holdRefresh));
  if (faults.length) throw new Error(`${page.url()}:\n${faults.join("\n")}`);
}

async function violations(page, runOnly) {
  // Not as an element of the page: its policy allows none.
  await page.evaluate(axe);
  const found = await page.evaluate((runOnly) => globalThis.axe.run({ runOnly, resultTypes: ["violations"] }), runOnly);
  const line = (rule, node) => `${rule.id} (${rule.help}) at ${node.target.join(" ")}: ${node.html.slice(0, 200)}`;
  return found.violations.flatMap((rule) => rule.nodes.slice(0, 5).map((node) => line(rule, node)));
}

/** What is read in one direction is not scrolled in both. */
async function overflow(page) {
  const size = page.viewportSize();
  await page.setViewportSize({ width: NARROW, height: 900 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(size);
  return width > NARROW ? [`the page is ${width} pixels wide in a window of ${NARROW}`] : [];
}

/** In the page: elements that only names full of markup could have made. */
function markup() {
  const found = document.querySelectorAll("[onerror], main img, main script, main style, main iframe, [href^='javascript:' i]");
  const faults = [...found].map((element) => `a text became an element: ${element.outerHTML.slice(0, 200)}`);
  return globalThis.hostile ? [...faults, "a text was run"] : faults;
}

/** In the page: what the frame of all pages has, and identifiers that two elements share. */
function frame() {
  const faults = [];
  if (document.querySelectorAll("h1").length !== 1) faults.push("the page has not one first heading");
  if (!document.title.endsWith(" · Tidegate")) faults.push(`the title is “${document.title}”`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const twice = new Set(ids.filter((id, index) => id && ids.indexOf(id) !== index));
  for (const id of twice) faults.push(`two elements have the identifier “${id}”`);
  for (const label of document.querySelectorAll("label[for]")) {
    if (!document.getElementById(label.htmlFor)) faults.push(`the label “${label.innerText}” is of no input`);
  }
  return faults;
}
