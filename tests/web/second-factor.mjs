// Log-in of an administrator who has an authenticator.
import { oneTimeCode, own, sendLogIn } from "./administrator.mjs";
import { address, given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

await journey(async ({ open }) => {
  const page = await open({ refusals: [401] });
  await page.goto(`${address}/web`);
  await sendLogIn(page, own);
  await page.getByRole("alert").filter({ hasText: "A one-time code is needed" }).waitFor();
  await check(page);
  await sendLogIn(page, { ...own, code: "000000" });
  await page.getByRole("alert").filter({ hasText: "is wrong" }).waitFor();
  const code = oneTimeCode(given("WEB_SECRET"));
  await sendLogIn(page, { ...own, code });
  await page.waitForURL(`${address}/web`);

  // Each code is good once, and so is each of those for the day without the authenticator.
  for (const [code, isGood] of [[given("WEB_RECOVERY_CODE"), true], [given("WEB_RECOVERY_CODE"), false]]) {
    const other = await open({ refusals: [401] });
    await other.goto(`${address}/web`);
    await sendLogIn(other, { ...own, code });
    await (isGood ? other.waitForURL(`${address}/web`) : other.getByRole("alert").waitFor());
  }
});
