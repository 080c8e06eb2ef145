// A person's own pages: a key and a second factor of its own, a new password, and a login link.
import assert from 'node:assert/strict';
import { codeOf } from '../one_time_code.mjs';
import { Rest } from '../rest.mjs';

const isLogIn = (url) => url.pathname === '/web/client/login';

async function logIn(window, { address }, password, code = '') {
    await window.page.goto(`${address}/web/client/login`);
    await window.fillLogIn('ada', password, code);
}

async function aKeyIsAdded(open, task) {
    const window = await open();
    const { page } = window;
    await page.goto(`${task.address}/web/client/keys`);
    assert.ok(isLogIn(new URL(page.url())), 'without a session there is no page');
    await window.look();
    await window.expecting(401, () => window.fillLogIn('ada', 'wrong'));
    await window.look();
    await window.fillLogIn('ada', 'pw');
    await page.waitForURL(`${task.address}/web/client`);
    await window.look();
    assert.match(await window.text(), /this one/);
    await page.getByRole('link', { name: 'Public keys' }).click();
    await page.getByLabel('Public key').fill(task.key);
    await page.getByLabel('Current password', { exact: true }).fill('wrong');
    await window.expecting(403, () => window.press('Add the key'));
    await window.visit('/web/client/keys');
    await page.getByLabel('Public key').fill(task.key);
    await page.getByLabel('Current password', { exact: true }).fill('pw');
    await window.press('Add the key');
    assert.match(await window.text(), /SHA256:/);
    await window.look();
}

async function aSecondFactorIsSetUp(open, task) {
    const window = await open();
    const { page } = window;
    await logIn(window, task, 'pw');
    await page.waitForURL(`${task.address}/web/client`);
    await window.visit('/web/client/codes');
    await page.getByLabel('Current password', { exact: true }).fill('pw');
    await window.press('Set them up');
    await window.look();
    const url = (await page.locator('main dl > div').filter({ hasText: /^URL/ }).locator('code').innerText()).trim();
    await page.getByLabel('One-time code', { exact: true }).fill(codeOf(url));
    await window.press('Switch them on');
    await window.look();
    const shown = await page.locator('main dl > div').filter({ hasText: /^Recovery/ }).innerText();
    const [recovery, other, third] = shown.match(/\b[0-9A-Za-z]{16}\b/g);
    const fresh = await open();
    await fresh.page.goto(`${task.address}/web/client/login`);
    await fresh.expecting(401, () => fresh.fillLogIn('ada', 'pw'));
    await fresh.fillLogIn('ada', 'pw', recovery);
    await fresh.page.waitForURL(`${task.address}/web/client`);
    await fresh.visit('/web/client/codes');
    await fresh.look();
    const rest = await Rest.logIn(task.address, 'root', task.password);
    const { path } = await rest.add('v2/users/ada/login-links', {});
    const late = await open();
    await late.visit(path);
    await late.expecting(401, () => late.press('Log in'));
    await late.look();
    await late.page.getByLabel('One-time code', { exact: true }).fill(third);
    await late.press('Log in');
    await late.page.waitForURL(`${task.address}/web/client`);
    await fresh.page.getByLabel('Current password', { exact: true }).fill('pw');
    await fresh.page.getByLabel('One-time code', { exact: true }).fill(other);
    await fresh.press('Switch them off');
    assert.match(await fresh.text(), /no one-time codes any more/);
}

async function aLinkIsUsedOnce(open, task) {
    const rest = await Rest.logIn(task.address, 'root', task.password);
    const { path } = await rest.add('v2/users/ada/login-links', {});
    assert.equal((await fetch(task.address + path)).status, 200, 'looking at a link does not use it up');
    const window = await open({ javaScriptEnabled: false });
    await window.page.goto(task.address + path);
    await window.press('Log in');
    await window.page.waitForURL(`${task.address}/web/client`);
    assert.match(await window.text(), /with a login link/);
    const late = await open();
    await late.visit(path);
    await late.expecting(401, () => late.press('Log in'));
    assert.match(await late.text(), /was used/);
}

async function thePasswordIsChanged(open, task) {
    const window = await open();
    const { page } = window;
    await logIn(window, task, 'pw');
    await page.waitForURL(`${task.address}/web/client`);
    await window.visit('/web/client/password');
    await page.getByLabel('Current password', { exact: true }).fill('pw');
    await page.getByLabel('New password', { exact: true }).fill('another pw');
    await page.getByLabel('New password again', { exact: true }).fill('another pw');
    await window.press('Change the password');
    await page.waitForURL((url) => isLogIn(url));
    await window.look();
    await window.fillLogIn('ada', 'another pw');
    await page.waitForURL(`${task.address}/web/client`);
}

/// What is taken away or made anew: a session elsewhere, a key, recovery codes.
async function whatThereIsIsEndedAndRenewed(open, task) {
    const rest = await Rest.logIn(task.address, 'root', task.password);
    await rest.user('grace', { public_keys: [task.key] });
    const [window, other] = [await open(), await open()];
    for (const { page } of [window, other]) await page.goto(`${task.address}/web/client/login`);
    for (const one of [window, other]) {
        await one.fillLogIn('grace', 'pw');
        await one.page.waitForURL(`${task.address}/web/client`);
    }
    const { page } = window;
    await window.visit('/web/client');
    await page.locator('#sessions tbody tr').filter({ hasNotText: 'this one' }).getByRole('button', { name: /^End/ }).click();
    await page.waitForURL('**done=ended');
    await window.look();
    await other.page.goto(`${task.address}/web/client`);
    assert.ok(isLogIn(new URL(other.page.url())), 'the other session has ended');

    await window.visit('/web/client/keys');
    await window.press(/^Remove the key/);
    assert.match(await window.text(), /was removed[^]*There are no keys/);
    await window.look();

    const confirmed = async (button, code) => {
        await window.visit('/web/client/codes');
        await page.getByLabel('Current password', { exact: true }).fill('pw');
        if (code) await page.getByLabel('One-time code', { exact: true }).fill(code);
        await window.press(button);
    };
    const recovery = async () => (await page.locator('main dl > div').filter({ hasText: /^Recovery/ }).innerText()).match(/\b[0-9A-Za-z]{16}\b/g);
    await confirmed('Set them up');
    const url = (await page.locator('main dl > div').filter({ hasText: /^URL/ }).locator('code').innerText()).trim();
    await page.getByLabel('One-time code', { exact: true }).fill(codeOf(url));
    await window.press('Switch them on');
    const [first, second] = await recovery();
    await confirmed('Make new recovery codes', first);
    await window.look();
    const renewed = await recovery();
    assert.ok(!renewed.includes(second), 'they take the place of the earlier ones');
    const late = await open();
    await late.page.goto(`${task.address}/web/client/login`);
    await late.expecting(401, () => late.fillLogIn('grace', 'pw', second));
    await late.fillLogIn('grace', 'pw', renewed[0]);
    await late.page.waitForURL(`${task.address}/web/client`);
}

async function aLostPasswordIsSetWithACode(open, task) {
    const rest = await Rest.logIn(task.address, 'root', task.password);
    await rest.user('lost');
    const { code } = await rest.add('v2/users/lost/reset-code');
    const window = await open();
    const { page } = window;
    const set = async (again) => {
        await page.getByLabel('Username').fill('lost');
        await page.getByLabel('New password', { exact: true }).fill('found pw');
        await page.getByLabel('New password again', { exact: true }).fill(again);
        await window.press('Set the password');
    };
    await window.visit(`/web/client/reset?code=${code}`);
    await window.expecting(400, () => set('another pw'));
    await window.look();
    await set('found pw');
    assert.ok(isLogIn(new URL(page.url())));
    await window.look();
    await window.fillLogIn('lost', 'found pw');
    await page.waitForURL(`${task.address}/web/client`);
    await window.visit(`/web/client/reset?code=${code}`);
    await window.expecting(403, () => set('found pw'));
    await window.look();
}

export default [
    aKeyIsAdded,
    aSecondFactorIsSetUp,
    aLinkIsUsedOnce,
    whatThereIsIsEndedAndRenewed,
    aLostPasswordIsSetWithACode,
    thePasswordIsChanged,
];
