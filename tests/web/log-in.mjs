// Log-in and log-out with a password alone: what is refused, what a log-in gives, and how sessions end.
import assert from "node:assert/strict";

import { arrive, logIn, own, sendLogIn } from "./administrator.mjs";
import { address, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const COOKIE = "tidegate";
const cookie = async (page) => (await page.context().cookies()).find((cookie) => cookie.name === COOKIE);

await journey(async ({ open }) => {
  const page = await open({ refusals: [401] });
  // A value that somebody else has put there is not what the session gets.
  await page.context().addCookies([{ name: COOKIE, value: "planted", url: address }]);
  await page.goto(`${address}/web/users`);
  await arrive(page, "Log in");
  await check(page);

  await sendLogIn(page, { ...own, password: "wrong" });
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("Username").inputValue(), own.username);
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  await check(page);
  await sendLogIn(page, own);
  // Where it was wanted to go.
  await page.waitForURL(`${address}/web/users`);
  await check(page);
  const given = await cookie(page);
  assert.notEqual(given.value, "planted");
  assert.deepEqual([given.httpOnly, given.sameSite, given.path], [true, "Strict", "/"]);
  assert.equal(await page.evaluate(() => document.cookie), "", "no script reads it");

  // A second window is a session of its own, which the first ends.
  const other = await open();
  await logIn(other);
  await page.getByRole("link", { name: own.username }).click();
  await arrive(page, "Your account");
  await check(page);
  const ends = page.getByRole("button", { name: /^End the session/ });
  await ends.nth(1).waitFor();
  const others = page.getByRole("row").filter({ hasNotText: "this one" }).filter({ has: ends });
  await others.getByRole("button").click();
  await page.getByText("The session was ended.").waitFor();
  await other.goto(`${address}/web`);
  await arrive(other, "Log in");

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You have logged out.").waitFor();
  await check(page);
  assert.equal(await cookie(page), undefined);
  // The browser shows no page again, and the token is worth nothing.
  await page.goBack();
  await arrive(page, "Log in");
  const thief = await open();
  await thief.context().addCookies([{ name: COOKIE, value: given.value, url: address }]);
  await thief.goto(`${address}/web/users`);
  await arrive(thief, "Log in");
});
