// Administrators, roles and API keys.
import assert from 'node:assert/strict';
import { codeOf } from '../one_time_code.mjs';
import { Rest } from '../rest.mjs';

async function anAdministratorOfARole(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.add('v2/roles', { name: 'shop' });
    await rest.user('of-the-shop', { role: 'shop' });
    await rest.user('of-none');
    const window = await open();
    const { page } = window;
    const field = (name) => page.locator(`[name="${name}"]:not([type="hidden"])`);
    await window.logIn('root', password);
    await window.visit('/web/admins');
    await window.press('Add an administrator');
    await window.look();
    await field('username').fill('deputy');
    await field('password').fill('deputy-password');
    for (const permission of ['view_users', 'edit_users', 'view_status']) {
        await field('permissions').and(page.locator(`[value="${permission}"]`)).check();
    }
    await field('role').fill('shop');
    await window.press('See the difference');
    assert.ok(!(await window.text()).includes('deputy-password'));
    await window.look();
    await window.press('Save');
    assert.equal(await window.heading(), 'Administrator deputy');
    await window.look();

    const deputy = await open();
    await deputy.logIn('deputy', 'deputy-password');
    await deputy.visit('/web/users');
    assert.deepEqual(await deputy.page.locator('#users tbody tr a').allInnerTexts(), ['of-the-shop']);
    await deputy.expecting(404, () => deputy.page.goto(`${address}/web/users/show?name=of-none`));
    assert.ok(!(await deputy.text()).includes('/srv/of-none'));

    await window.press('Edit');
    await field('status').selectOption('0');
    await window.press('See the difference');
    assert.match(await window.text(), /ends all sessions/);
    await window.press('Save');
    await deputy.page.goto(`${address}/web/users`);
    assert.equal(new URL(deputy.page.url()).pathname, '/web/login');
    await deputy.expecting(401, () => deputy.fillLogIn('deputy', 'deputy-password'));
    await window.visit('/web/admins/delete?name=deputy');
    await window.press('Delete');
    assert.ok(!(await page.locator('#objects').innerText()).includes('deputy'));
}

async function aKeyIsShownOnceAndUsed(open, { address, password }) {
    const window = await open();
    const { page } = window;
    const ask = (key, path) => fetch(`${address}/api/v2/${path}`, { headers: { 'x-sftpgo-api-key': key } }).then((answer) => answer.status);
    const shownKey = async () => (await page.locator('main dl > div').filter({ hasText: /^Key/ }).locator('code').innerText()).trim();
    const row = page.locator('#keys tbody tr').filter({ hasText: 'nightly' });
    await window.logIn('root', password);
    await window.visit('/web/keys');
    await window.press('Make a key');
    await window.look();
    await page.locator('[name="name"]').fill('nightly');
    await page.locator('[name="allow"][value="user.list"]').check();
    await window.press('Make the key');
    assert.match(await window.text(), /shown this once/);
    await window.look();
    const first = await shownKey();
    assert.deepEqual([await ask(first, 'users'), await ask(first, 'folders')], [200, 403]);
    await window.press('To all keys');
    assert.match(await page.locator('#keys').innerText(), /nightly[\s\S]*user\.list/);
    assert.ok(!(await page.content()).includes(first), 'it is shown once');
    await window.look();
    await row.locator('button[id^="rotate-"]').click();
    await page.waitForURL('**/rotate');
    const second = await shownKey();
    assert.deepEqual([await ask(first, 'users'), await ask(second, 'users')], [401, 200]);
    await window.visit('/web/keys');
    await row.getByRole('button', { name: /^Revoke/ }).click();
    await page.waitForURL('**done=revoked');
    assert.equal(await ask(second, 'users'), 401);
    assert.ok(!(await page.locator('#keys').innerText()).includes('nightly'));
}

async function sessionsOfOthersAreEnded(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.admin('colleague', ['view_users']);
    const [window, colleague] = [await open(), await open()];
    await colleague.logIn('colleague', 'pw');
    await window.logIn('root', password);
    await window.visit('/web/tokens');
    await window.page.getByRole('button', { name: /^End .*colleague/ }).click();
    await window.page.waitForURL('**done=ended');
    await colleague.page.goto(`${address}/web/users`);
    assert.equal(new URL(colleague.page.url()).pathname, '/web/login');
}

/// Makes codes with the form of the page; gives back their address.
async function makeCodes(window) {
    await window.press('Make new one-time codes');
    assert.match(await window.text(), /shown this once/);
    await window.page.getByRole('img', { name: /QR code/ }).waitFor();
    await window.look();
    return window.page.getByText(/^otpauth:/).innerText();
}

async function ownOneTimeCodes(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.admin('cautious', ['view_users']);
    const window = await open();
    const { page } = window;
    await window.logIn('cautious', 'pw');
    await window.visit('/web/account');
    const current = page.locator('form[action="/web/account/codes"] [name="current"]');
    await current.fill('wrong');
    await window.expecting(403, () => window.press('Make new one-time codes'));
    await window.look();
    await window.visit('/web/account');
    await current.fill('pw');
    const url = await makeCodes(window);
    const other = await open();
    await page.goto(`${address}/web/login`);
    await other.page.goto(`${address}/web/login`);
    await other.expecting(401, () => other.fillLogIn('cautious', 'pw'));
    await other.logIn('cautious', 'pw', codeOf(url));
    await other.visit('/web/account');
    await other.page.locator('form[action="/web/account/codes"] [name="current"]').fill('pw');
    await other.press('Remove the one-time codes');
    assert.match(await other.text(), /no one-time codes/);
    const third = await open();
    await third.logIn('cautious', 'pw');
}

async function oneTimeCodesOfOthers(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.admin('supervised', ['view_users']);
    await rest.user('guarded');
    const window = await open();
    await window.logIn('root', password);
    await window.visit('/web/users/show?name=guarded');
    await window.press(/^One-time codes/);
    await window.look();
    assert.match(await makeCodes(window), /guarded/);
    await window.press('Done');
    assert.equal(await window.heading(), 'User guarded');
    await window.visit('/web/admins/show?name=supervised');
    await window.press(/^One-time codes/);
    const url = await makeCodes(window);
    const other = await open();
    await other.logIn('supervised', 'pw', codeOf(url));
    await window.visit('/web/admins/codes?name=supervised');
    await window.press('Remove the one-time codes');
    const third = await open();
    await third.logIn('supervised', 'pw');
}

async function aLoginLinkIsShownOnceAndUsed(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('guest');
    const redeem = (code) =>
        fetch(`${address}/api/v2/user/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code }) }).then(({ status }) => status);
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/users/show?name=guest');
    await window.press('Login link…');
    await window.look();
    await page.getByLabel('Networks').fill('nowhere');
    await window.expecting(422, () => window.press('Make a login link'));
    await window.look();
    const make = async () => {
        await window.visit('/web/users/link?name=guest');
        await window.press('Make a login link');
        assert.match(await window.text(), /shown this once/);
        await window.look();
        return (await page.locator('main dl code').first().innerText()).trim();
    };
    const [first, second] = [await make(), await make()];
    assert.deepEqual([await redeem(first), await redeem(first)], [200, 401], 'it is good once');
    await window.visit('/web/users/link?name=guest');
    assert.equal(await page.locator('#links tbody tr').count(), 1, 'what is used up is gone');
    assert.ok(!(await page.content()).includes(second), 'it is shown once');
    await page.getByRole('button', { name: /^Revoke the link/ }).click();
    await page.waitForURL('**done=revoked');
    assert.equal(await redeem(second), 401);
    await window.look();
    await window.press('To the user');
    assert.equal(await window.heading(), 'User guest');
}

export default [aLoginLinkIsShownOnceAndUsed, anAdministratorOfARole, aKeyIsShownOnceAndUsed, sessionsOfOthersAreEnded, ownOneTimeCodes, oneTimeCodesOfOthers];
