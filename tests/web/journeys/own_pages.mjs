// The pages of users: each fits, and is enough for a keyboard; names are texts there.
import assert from 'node:assert/strict';
import { focused, inItsOrder, pressTo, tabTo } from '../focus.mjs';
import { BEFORE_LOG_IN, OWN_FORMS, OWN_PAGES } from '../pages.mjs';
import { Rest } from '../rest.mjs';
import { nothingIsMarkup } from './markup.mjs';

const isHome = (url) => url.pathname === '/web/client';
const isLogIn = (url) => url.pathname === '/web/client/login';
const NOTHING_MAY_BE_CHANGED = ['password-change-disabled', 'publickey-change-disabled', 'mfa-disabled'];

async function logIn(window, name) {
    await window.page.goto(`${window.origin}/web/client/login`);
    await window.fillLogIn(name, 'pw');
    await window.page.waitForURL(isHome);
}

/// Looks at what is shown in a very wide dark window and in a narrow light one, and leaves it there.
async function lookAtBoth(page, look) {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 2560, height: 1440 });
    await look(['color-contrast']);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 360, height: 740 });
    await look();
}

/// A user whose pages have something to show everywhere.
function furnished(rest, username, key, more = {}) {
    return rest.user(username, { public_keys: [key], quota_size: 1 << 30, quota_files: 1000, upload_data_transfer: 10, ...more });
}

async function everyPageFits(open, { address, password, key }) {
    const rest = await Rest.logIn(address, 'root', password);
    await furnished(rest, 'fits', key);
    await furnished(rest, 'fixed', key, { filters: { web_client: NOTHING_MAY_BE_CHANGED, require_password_change: true } });
    const window = await open();
    const { page } = window;
    const look = (rules) => window.look(rules);
    for (const path of BEFORE_LOG_IN) {
        await page.goto(address + path);
        await lookAtBoth(page, look);
        await knowsWhereItLeads(page, path);
    }
    await page.goto(`${address}/web/client/login`);
    await window.expecting(401, () => window.fillLogIn('fits', 'wrong'));
    await lookAtBoth(page, look);
    for (const [name, wanted] of [['fits', /Add the key/], ['fixed', /This is not changed here/]]) {
        await logIn(window, name);
        for (const path of OWN_PAGES) {
            await page.goto(address + path);
            await lookAtBoth(page, look);
            await knowsWhereItLeads(page, path);
        }
        await page.goto(`${address}/web/client/keys`);
        assert.match(await window.text(), wanted);
    }
    await window.expecting(404, () => page.goto(`${address}/web/client/none`));
    await lookAtBoth(page, look);
}

/// Every link and form of the page is in the table of pages.
async function knowsWhereItLeads(page, path) {
    const paths = (selector, attribute) =>
        page.locator(selector).evaluateAll((all, name) => all.map((element) => new URL(element.getAttribute(name), location).pathname), attribute);
    for (const link of await paths('a[href^="/"]', 'href')) assert.ok(OWN_PAGES.includes(link), `${path}: tests/web/pages.mjs does not know ${link}`);
    for (const form of await paths('form', 'action')) assert.ok(OWN_FORMS.includes(form), `${path}: tests/web/pages.mjs does not know the form ${form}`);
}

async function aKeyboardIsEnough(open, { address, password, key }) {
    const rest = await Rest.logIn(address, 'root', password);
    await furnished(rest, 'typed', key);
    const window = await open();
    const { page } = window;
    const byKeyboard = async (password) => {
        assert.equal((await focused(page)).name, 'username', 'the first field has the focus');
        await page.keyboard.type('typed');
        await page.keyboard.press('Tab');
        await page.keyboard.type(password);
        await pressTo(page, 'Enter', isHome);
    };
    for (const path of BEFORE_LOG_IN) await inItsOrder(window, path);
    await page.goto(`${address}/web/client/login`);
    await byKeyboard('pw');
    await page.keyboard.press('Tab');
    const skip = await focused(page);
    assert.ok(/Skip/.test(skip.text) && skip.isInSight && skip.isOutlined, JSON.stringify(skip));
    for (const path of OWN_PAGES) await inItsOrder(window, path);
    await page.goto(address + OWN_PAGES[0]);
    await tabTo(page, (found) => found.text === 'Password');
    await pressTo(page, 'Enter', '**/web/client/password');
    for (const [name, text] of [['current', 'pw'], ['new', 'another pw'], ['again', 'another pw']]) {
        await tabTo(page, (found) => found.name === name);
        await page.keyboard.type(text);
    }
    await pressTo(page, 'Enter', isLogIn);
    assert.match(await window.text(), /was changed/);
    await byKeyboard('another pw');
    await tabTo(page, (found) => found.id === 'log-out');
    await pressTo(page, 'Enter', '**done=logged-out');
    await window.look();
}

async function namesAreTexts(open, { address, password, key, hostile, long }) {
    const rest = await Rest.logIn(address, 'root', password);
    // Names of new accounts have no characters that cannot be seen.
    const visible = (text) => text.replaceAll(/[\u200f\u202e]/gu, '');
    const longest = [...visible(long)].slice(0, 255).join('');
    for (const name of [visible(hostile), longest]) {
        await furnished(rest, name, `${key} ${hostile} ${long}`);
        const window = await open({ viewport: { width: 360, height: 740 } });
        const { page } = window;
        await logIn(window, name);
        for (const path of OWN_PAGES) {
            await window.visit(path);
            await nothingIsMarkup(page, path);
            assert.equal(await page.locator('#own').textContent(), name, path);
        }
        await page.goto(`${address}/web/client/keys`);
        const shown = `${hostile} ${long}`.replaceAll(/[\u200f\u202e]/gu, '\ufffd');
        assert.ok((await page.locator('#keys').textContent()).includes(shown), 'the comment of the key is shown as it is, with marks for what cannot be seen');
        await page.getByRole('button', { name: 'Log out' }).click();
        await page.waitForURL(isLogIn);
        await window.expecting(401, () => window.fillLogIn(name, 'wrong', hostile));
        assert.equal(await page.getByLabel('Username').inputValue(), name);
        await nothingIsMarkup(page, 'refused log-in');
        await window.look();
        for (const path of BEFORE_LOG_IN.slice(1)) {
            const fields = new URLSearchParams({ code: hostile, username: name });
            await window.visit(`${path.split('?')[0]}?${fields}`);
            await nothingIsMarkup(page, path);
        }
    }
}

export default [everyPageFits, aKeyboardIsEnough, namesAreTexts];
