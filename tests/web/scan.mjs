// The files of a user are counted again.
import { arrive, logIn } from "./administrator.mjs";
import { given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

await journey(async ({ open }) => {
  const page = await open();
  await logIn(page);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Quota" }).click();
  await arrive(page, "Quota");
  await check(page);
  await page.getByLabel("Name", { exact: true }).fill(given("WEB_USER"));
  await page.getByRole("button", { name: "Count its files again" }).click();
  await page.getByText("The scan has begun.").waitFor();
  await check(page);
});
