// Why a login was refused, which hook is slow, and what hooks say to what is made up. `eve` was refused by the hook
// `sundays.sh` with a reason; `ada` has logged in, through `slow.sh`, and was refused once for a wrong password.
import assert from 'node:assert/strict';
import { eventually } from '../browser.mjs';

/// At most so many clicks lead to an answer from the first page on.
const CLICKS = 6;

/// Records of calls are stored a moment after them: the page is asked for again until it has the text.
function until(page, locator, wanted) {
    return eventually(`${page.url()} has ${wanted}`, async () => wanted.test(await locator.innerText()) || (await page.reload(), false));
}

async function whyALoginWasRefused(open, { password, secret }) {
    const window = await open();
    const { page } = window;
    let clicks = 0;
    const click = async (locator) => {
        clicks += 1;
        await window.leave(() => locator.click());
    };
    await window.logIn('root', password);
    await click(page.getByRole('link', { name: 'Why refused?' }));
    await window.look();
    assert.equal(await page.evaluate(() => document.activeElement.name), 'who', 'one can type at once');
    await page.keyboard.type('eve');
    await click(page.getByRole('main').getByRole('button', { name: 'Search' }));
    await until(page, page.getByRole('main'), /Outcome of the attempt/);
    const text = await window.text();
    assert.match(text, /sundays\.sh at login-pre/);
    assert.match(text, /closed on Sundays/);
    assert.ok(clicks <= CLICKS, `${clicks} clicks`);
    await window.look();
    const fold = page.locator('details').filter({ hasText: 'Standard error' }).first();
    await fold.locator('summary').click();
    assert.match(await fold.innerText(), /asked about eve/);
    assert.ok(!(await page.content()).includes(secret), 'no password is shown');

    await window.press('Open this call');
    assert.match(await window.text(), /sundays\.sh/);
    await window.look();
    assert.ok(!(await page.content()).includes(secret));
    await window.press('The whole attempt');
    const connection = new URL(page.url()).searchParams.get('who');
    assert.match(await window.heading(), new RegExp(connection));
    await window.press('Ask again, without effects');
    assert.match(await window.text(), /No hook was run/);
    assert.match(await page.locator('main table').first().innerText(), /sundays\.sh/);
    await window.look();

    // The same attempt by its address, and that of a user who is there.
    await window.visit('/web/refused?who=127.0.0.1');
    assert.match(await window.text(), /eve/);
    // Of the two log-ins of that user, the refused one; the other is a click away.
    await window.visit('/web/refused?who=ada');
    assert.match(await window.text(), /password/i);
    assert.doesNotMatch(await window.text(), /The log-in was accepted/);
    await window.press('Accepted ones as well');
    assert.match(await window.text(), /The log-in was accepted/);
    await window.look();
    await window.press('Refused ones alone');
    assert.doesNotMatch(await window.text(), /The log-in was accepted/);
    await window.press('Show this user');
    assert.equal(await window.heading(), 'User ada');
    await window.press('Why refused?');
    assert.equal(new URL(page.url()).searchParams.get('who'), 'ada');
    await window.visit('/web/refused?who=nobody');
    assert.match(await window.text(), /No hook was asked about/);
}

const MICROSECONDS = { 'µs': 1, ms: 1000, s: 1_000_000 };

async function whichHookIsSlow(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await page.getByRole('link', { name: 'Hooks', exact: true }).click();
    await page.waitForURL('**/web/hooks');
    const table = (hook) => page.locator(`#chain-${hook}`);
    await until(page, table('session-create'), /slow\.sh[\s\S]*≤/);
    const median = async (hook) => {
        const heads = await table(hook).locator('th').allInnerTexts();
        const cell = await table(hook).locator('tbody tr').first().locator('td').nth(heads.indexOf('p50')).innerText();
        const [, number, unit] = cell.match(/([\d.]+)\s*(µs|ms|s)/);
        return Number(number) * MICROSECONDS[unit];
    };
    assert.match(await window.text(), /The slowest hook\s+\S*slow\.sh at session-create, ≤/);
    const [slow, fast] = [await median('session-create'), await median('login-pre')];
    assert.ok(slow >= 200_000 && slow > fast, `${slow} ${fast}`);
    assert.match(await table('login-pre').innerText(), /sundays\.sh/);
    await window.look();
    // From the hook to its calls.
    await page.getByRole('link', { name: /slow\.sh at session-create/ }).click();
    await page.waitForURL('**/web/hooks#chain-session-create');
    await table('session-create').getByRole('link', { name: /slow\.sh/ }).first().click();
    await page.waitForURL('**/web/runs?**');
    assert.match(await page.locator('#runs').innerText(), /session-create/);
    await window.look();
}

async function callsAreFilteredAndFollowed(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/runs');
    await page.getByLabel('User', { exact: true }).pressSequentially('eve');
    await page.waitForURL('**username=eve**');
    await page.waitForFunction(() => {
        const rows = [...document.querySelectorAll('#runs tbody tr')];
        return rows.length > 0 && rows.every((row) => row.textContent.includes('eve'));
    });
    await window.look();
    await page.getByLabel('Hook point', { exact: true }).selectOption('login');
    await page.waitForURL('**kind=login&**');
    await page.waitForFunction(() => {
        const rows = [...document.querySelectorAll('#runs tbody tr')];
        return rows.length > 0 && rows.every((row) => !row.textContent.includes('login-pre'));
    });
    await page.getByLabel('Before', { exact: true }).fill('1999-12-31');
    await page.waitForFunction(() => document.querySelector('#runs').textContent.includes('There are no such calls'));
    await window.visit('/web/runs?username=eve');
    await window.press('Refresh every two seconds');
    await page.waitForResponse((response) => response.url().includes('part=table'));
    const user = page.getByLabel('User', { exact: true });
    await user.fill('ada');
    await page.waitForFunction(() => document.querySelector('#runs').textContent.includes('ada'));
    for (let refreshes = 0; refreshes < 2; refreshes += 1) {
        if ((await page.locator('[hx-trigger*="every"]').count()) === 0) break;
        await page.waitForResponse((response) => response.url().includes('part=table'));
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
        assert.ok(!(await page.locator('#runs').innerText()).includes('eve'), 'a refresh keeps the filter');
    }
    // What is as it was is not sent again, and stays.
    await page.waitForResponse((response) => response.url().includes('part=table') && response.status() === 304);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    assert.match(await page.locator('#runs').innerText(), /ada/);
    assert.equal(await page.locator('[data-stale]').count(), 0);
    await window.look();
}

async function aHookIsAskedAboutWhatIsMadeUp(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/hooks');
    await window.press('Ask about a made-up event');
    await window.look();
    // A login, of one hook beside all of its point.
    const one = await page.locator('[name="hook"] option', { hasText: /login-pre: \S*sundays\.sh/ }).getAttribute('value');
    await page.locator('[name="hook"]').selectOption(one);
    await page.locator('[name="username"]').fill('eve');
    await page.locator('[name="password"]').fill('guess');
    await window.press('Ask the configured hooks');
    const verdicts = page.locator('#verdicts tbody tr');
    assert.equal(await verdicts.count(), 2);
    for (const row of await verdicts.allInnerTexts()) assert.match(row, /deny[\s\S]*sundays\.sh[\s\S]*closed on Sundays/);
    assert.ok(!(await page.content()).includes('guess'), 'no password is shown');
    await window.look();
    await window.press('A file operation');
    await window.look();
    await window.press('Any event, as JSON');
    const ask = async (event) => {
        await page.locator('[name="hook"]').selectOption('login-pre');
        await page.locator('[name="event"]').fill(event);
        await window.press('Ask the configured hooks');
    };
    await ask('{"username": "eve"}');
    assert.match(await window.text(), /deny/);
    assert.match(await window.text(), /closed on Sundays/);
    await window.look();
    await ask('{"username": "ada"}');
    assert.match(await window.text(), /allow/);
    await window.expecting(400, () => ask('{"username": '));
    await window.look();
}

export default [whyALoginWasRefused, whichHookIsSlow, callsAreFilteredAndFollowed, aHookIsAskedAboutWhatIsMadeUp];
