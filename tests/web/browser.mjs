// A browser for journeys through the web admin. A journey fails where it cannot go on, and for what no page may do: write to
// the console, break its own policy, ask another host, open a dialog, or be refused something that the journey does not expect.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../.cache/web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

/** The text of axe-core. */
export const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** What the test gives a journey. */
export function given(name) {
  const value = process.env[name];
  if (value === undefined) throw new Error(`the environment has no ${name}`);
  return value;
}

/** Of the server, such as `http://127.0.0.1:8080`. */
export const address = given("WEB_ADDRESS");

// As the tests of the tree do: what takes longer hangs.
const PATIENCE = 60_000;

/** Runs the steps with a function that opens windows, each with cookies of its own. */
export async function journey(steps) {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium" });
  const faults = [];
  let failure;
  try {
    await steps({ open: (options) => open(browser, faults, options) });
  } catch (error) {
    failure = error;
    await describe(browser);
  }
  await browser.close();
  if (failure) console.error(failure);
  for (const fault of faults) console.error(`fault: ${fault}`);
  process.exitCode = failure || faults.length ? 1 : 0;
}

/**
 * A window. `refusals`: the statuses of answers that the journey expects to be refused with; other options are those of a
 * context of Playwright.
 */
async function open(browser, faults, { refusals = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  await watch(context, faults, refusals);
  return context.newPage();
}

async function watch(context, faults, refusals) {
  const isExpected = (status) => status < 400 || refusals.includes(status);
  context.on("request", (request) => {
    if (new URL(request.url()).origin !== address) faults.push(`a request to another host: ${request.url()}`);
  });
  context.on("response", (response) => {
    const status = response.status();
    if (!isExpected(status)) faults.push(`${response.request().method()} ${response.url()} was answered ${status}`);
  });
  context.on("requestfailed", (request) => {
    const text = request.failure()?.errorText;
    // What a page asks for while it is left, and files that are saved, are broken off by the browser.
    if (text !== "net::ERR_ABORTED") faults.push(`${request.url()} failed: ${text}`);
  });
  context.on("console", (message) => {
    // The browser's own line for each answer that is refused.
    const status = /^Failed to load resource: the server responded with a status of (\d+)/.exec(message.text())?.[1];
    if (status && isExpected(Number(status))) return;
    faults.push(`the console says at ${message.location().url}: ${message.text()}`);
  });
  context.on("weberror", (error) => faults.push(`a script failed: ${error.error()}`));
  context.on("dialog", async (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await context.exposeBinding("reportViolation", ({ page }, text) => faults.push(`policy, ${page.url()}: ${text}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) =>
      globalThis.reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
  });
}

/** Where each window is, for people who read the failure. */
async function describe(browser) {
  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      const text = await page.locator("body").innerText({ timeout: 2_000 }).catch(() => "");
      console.error(`${page.url()}:\n${text.slice(0, 3_000)}\n`);
    }
  }
}
