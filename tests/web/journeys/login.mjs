// Logging in and out: with a password, with a second factor, from a link, and what ends when a session is ended.
import assert from 'node:assert/strict';
import { ELSEWHERE } from '../browser.mjs';
import { codeOf } from '../one_time_code.mjs';

const tokens = async (window) => (await window.context.cookies()).filter((cookie) => cookie.name.includes('tidegate'));
const isLogIn = (url) => url.pathname === '/web/login';

async function withAPasswordAndOut(open, { address, password }) {
    const window = await open();
    const { page } = window;
    await window.visit('/web/users?search=a');
    assert.ok(isLogIn(new URL(page.url())), 'without a session there is no page');
    await window.expecting(401, () => window.fillLogIn('root', 'wrong'));
    assert.match(await window.text(), /is wrong/);
    assert.equal(await page.getByLabel('Username').inputValue(), 'root');
    assert.equal(await page.getByLabel('Password').inputValue(), '', 'a password is never sent back');
    await window.look();
    assert.deepEqual(await tokens(window), []);
    await window.fillLogIn('root', password);
    await page.waitForURL(`${address}/web/users?search=a`);
    await window.look();
    const [token, ...others] = await tokens(window);
    assert.deepEqual(
        [token.name, token.httpOnly, token.sameSite, token.path, token.domain, others.length],
        ['tidegate', true, 'Strict', '/', '127.0.0.1', 0],
    );
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script sees the token');

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL((url) => isLogIn(url));
    assert.match(await window.text(), /logged out/);
    await window.look();
    assert.deepEqual(await tokens(window), []);
    await page.goBack();
    await page.waitForURL((url) => isLogIn(url));
    await window.context.addCookies([{ ...token, expires: -1 }]);
    await page.goto(`${address}/web`);
    assert.ok(isLogIn(new URL(page.url())), 'the token has ended with the session');
}

async function aSessionThatWasPlantedIsNotTaken(open, { address, password }) {
    const window = await open();
    await window.logIn('root', password);
    const [planted] = await tokens(window);
    await window.logIn('root', password);
    const [own] = await tokens(window);
    assert.notEqual(own.value, planted.value);
    const other = await open();
    await other.context.addCookies([planted]);
    await other.page.goto(`${address}/web`);
    assert.ok(isLogIn(new URL(other.page.url())));
    await other.page.goto(`${address}/web/login?next=https://evil.example/`);
    await other.fillLogIn('root', password);
    await other.page.waitForURL(`${address}/web`);
}

async function withASecondFactor(open, { password, codes }) {
    const window = await open();
    const { page } = window;
    await page.goto(`${window.origin}/web/login`);
    await window.expecting(401, () => window.fillLogIn('careful', password));
    assert.match(await window.text(), /one-time code is needed/);
    await window.look();
    const code = codeOf(codes.url);
    await window.fillLogIn('careful', password, code);
    await page.waitForURL('**/web');
    const other = await open();
    await other.page.goto(`${window.origin}/web/login`);
    await other.expecting(401, () => other.fillLogIn('careful', password, code));
    assert.match(await other.text(), /is wrong/, 'a code is good once');
    const [recovery] = codes.recovery_codes;
    await other.fillLogIn('careful', password, recovery);
    await other.page.waitForURL('**/web');
    const third = await open();
    await third.page.goto(`${window.origin}/web/login`);
    await third.expecting(401, () => third.fillLogIn('careful', password, recovery));
}

async function endedSessions(open, { password }) {
    const [mine, other, live] = [await open(), await open(), await open()];
    for (const window of [mine, other, live]) await window.logIn('second', password);
    await live.visit('/web/connections');
    await mine.visit('/web/account');
    const own = mine.page.getByRole('row').filter({ hasText: 'browser' });
    assert.equal(await own.count(), 3);
    live.statuses.add(401);
    for (let left = 2; left > 0; left -= 1) {
        await own.filter({ hasNotText: 'this one' }).first().getByRole('button', { name: /^End/ }).click();
        await mine.page.waitForURL('**done=ended');
        assert.equal(await own.count(), left);
    }
    await mine.look();
    await live.page.waitForURL((url) => isLogIn(url));
    await other.page.getByRole('link', { name: 'Users' }).click();
    await other.page.waitForURL((url) => isLogIn(url) && url.searchParams.get('next') === '/web/users');
}

async function aNewPasswordEndsAllSessions(open, { address, password }) {
    const [mine, other] = [await open(), await open()];
    for (const window of [mine, other]) await window.logIn('third', password);
    const change = async (current, next, again) => {
        await mine.page.goto(`${address}/web/account`);
        const form = mine.page.locator('form[action="/web/account/password"]');
        await form.getByLabel('Current password', { exact: true }).fill(current);
        await form.getByLabel('New password', { exact: true }).fill(next);
        await form.getByLabel('New password again', { exact: true }).fill(again);
        await mine.leave(() => mine.page.getByRole('button', { name: 'Change the password' }).click());
    };
    await mine.expecting(400, () => change(password, 'another-long-password', 'other'));
    await mine.look();
    await change(password, 'another-long-password', 'another-long-password');
    await mine.page.waitForURL((url) => isLogIn(url));
    await other.page.goto(`${address}/web/users`);
    assert.ok(isLogIn(new URL(other.page.url())));
    await mine.fillLogIn('third', 'another-long-password');
    await mine.page.waitForURL('**/web');
}

async function inTheClearThePageSaysWhyThereIsNoLogIn(open, { address }) {
    const origin = address.replace('127.0.0.1', ELSEWHERE);
    const window = await open({ origin });
    await window.visit('/web');
    assert.ok(isLogIn(new URL(window.page.url())));
    assert.match(await window.text(), /not encrypted/);
    assert.match(await window.text(), /https/);
    assert.equal(await window.page.getByLabel('Password').count(), 0);
}

export default [
    withAPasswordAndOut,
    aSessionThatWasPlantedIsNotTaken,
    withASecondFactor,
    endedSessions,
    aNewPasswordEndsAllSessions,
    inTheClearThePageSaysWhyThereIsNoLogIn,
];
