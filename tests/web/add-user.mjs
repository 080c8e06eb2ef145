// A user is added; the test logs in as that user afterwards.
import { arrive, logIn } from "./administrator.mjs";
import { address, given, journey } from "./browser.mjs";
import { check } from "./check.mjs";

const user = { name: given("WEB_USER"), password: given("WEB_USER_PASSWORD"), home: given("WEB_USER_HOME") };

await journey(async ({ open }) => {
  const page = await open({ refusals: [422] });
  await logIn(page, "/web/users");
  await page.getByRole("link", { name: "Add a user" }).click();
  await arrive(page, "Add a user");
  await check(page);
  await page.getByLabel("Username").fill(user.name);
  await page.getByLabel("Password", { exact: true }).fill(user.password);
  // Something that cannot be: it is said at the field, and what was typed is still there.
  await page.getByLabel("Home dir").first().fill("relative");
  await page.getByRole("button", { name: "See the difference" }).click();
  await arrive(page, `Save user ${user.name}?`);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").filter({ hasText: "home_dir" }).waitFor();
  await check(page);
  await page.getByLabel("Home dir").first().fill(user.home);
  await page.getByLabel("Password", { exact: true }).fill(user.password);
  await page.getByRole("button", { name: "See the difference" }).click();
  await arrive(page, `Save user ${user.name}?`);
  if ((await page.locator("main").innerText()).includes(user.password)) throw new Error("the password is shown");
  await check(page);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("The account was added.").waitFor();
  await check(page);

  await page.goto(`${address}/web/users`);
  // Found as the name is typed.
  const search = page.getByRole("searchbox");
  await search.fill("none-of-that-name");
  await page.getByRole("link", { name: user.name, exact: true }).waitFor({ state: "detached" });
  await search.fill(user.name.slice(0, 3));
  await page.getByRole("link", { name: user.name, exact: true }).waitFor();
  await check(page);
});
