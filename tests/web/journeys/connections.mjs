// What is under way is watched, and ended. `uploader`, `downloader`, `copier` and `other` transfer something large slowly,
// `copier` with scp, which says how large it is, and `other` from an address of its own.
import assert from 'node:assert/strict';
import { eventually } from '../browser.mjs';

const UNITS = { B: 1, KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30 };

/// The first number of bytes of a text such as `upload /big: 1.5 MiB, 250.0 KiB/s`.
function bytesIn(text) {
    const [, number, unit] = text.match(/([\d.]+) (B|KiB|MiB|GiB)\b(?!\/s)/);
    return Number(number) * UNITS[unit];
}

const rowOf = (page, name) => page.locator('#sessions tbody tr').filter({ hasText: name });

/// What `look` gives, once `wanted` takes it: looked at whenever the list was refreshed.
function afterRefreshes(page, look, wanted) {
    return eventually('the list changes', async () => {
        const seen = await look();
        if (wanted(seen)) return { seen };
        await refreshed(page);
        return null;
    }).then(({ seen }) => seen);
}

async function refreshed(page) {
    await page.waitForResponse((response) => response.url().includes('part=table'));
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
}

async function transfersAreWatched(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    // The first page says how many upload, and how fast; one click leads to who they are.
    const uploads = page.locator('main dl > div').filter({ hasText: 'Uploads under way' });
    await eventually('three uploads have a rate', async () => {
        const isThere = /^Uploads under way\s+3, [1-9][\d.]* [KM]iB\/s$/.test((await uploads.innerText()).trim());
        return isThere || (await page.reload(), false);
    });
    await window.look();
    await window.leave(() => uploads.getByRole('link').click());
    assert.equal(new URL(page.url()).pathname, '/web/connections');
    await window.look();
    for (const [name, operation] of [['uploader', 'upload'], ['downloader', 'download']]) {
        const row = rowOf(page, name);
        await row.waitFor();
        const text = () => row.innerText();
        const first = await afterRefreshes(page, text, (text) => text.includes(`${operation} /big`) && /[\d.]+ [KM]?i?B\/s/.test(text));
        assert.match(first, /OpenSSH/);
        assert.match(first, /SFTP/);
        const moved = bytesIn(first.slice(first.indexOf('/big')));
        await afterRefreshes(page, text, (text) => bytesIn(text.slice(text.indexOf('/big'))) > moved);
    }
    // The size of a download is known to the server, and that of an upload where the client says it.
    for (const [name, operation] of [['downloader', 'download'], ['copier', 'upload']]) {
        const bar = rowOf(page, name).locator('progress').first();
        await bar.waitFor();
        const share = async () => (await bar.evaluate((bar) => bar.value / bar.max));
        const first = await share();
        await afterRefreshes(page, share, (share) => share > first && share < 1);
        const text = () => rowOf(page, name).innerText();
        assert.match(await afterRefreshes(page, text, (text) => / left/.test(text)), new RegExp(`${operation} /big[\\s\\S]*\\/s, for .* left`));
    }
    assert.equal(await rowOf(page, 'uploader').locator('progress').count(), 0, 'nothing is known of its end');
    await window.look();
}

async function theListIsFilteredAsOneTypes(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    for (const path of ['/web/connections', '/web/connections?live=0']) {
        await window.visit(path);
        await page.getByLabel('Filter').pressSequentially('uploa');
        await page.waitForFunction(() => document.querySelectorAll('#sessions tbody tr').length === 1);
        assert.equal(await rowOf(page, 'uploader').count(), 1, path);
        if (path.endsWith('connections')) {
            for (let refreshes = 0; refreshes < 2; refreshes += 1) await refreshed(page);
            assert.equal(await page.locator('#sessions tbody tr').count(), 1, 'a refresh keeps the filter');
        }
        assert.equal(await page.evaluate(() => document.activeElement.id), 'search');
        await window.look();
    }
}

async function aRefreshKeepsTheFocus(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/connections');
    await rowOf(page, 'downloader').locator('button[id^="close-"]').focus();
    const focused = () => page.evaluate(() => document.activeElement.id);
    const before = await focused();
    await page.evaluate(() => document.activeElement.setAttribute('data-old', ''));
    await page.waitForFunction(() => !document.querySelector('[data-old]'));
    await page.waitForFunction((id) => document.activeElement.id === id, before);
    await page.keyboard.press('Tab');
    assert.equal(await focused(), before.replace('close-', 'ban-'), 'the next one follows');
    // Without refreshing, nothing is replaced.
    await window.press('Stop refreshing');
    assert.equal(await page.locator('[hx-trigger*="every"]').count(), 0);
    await window.look();
}

async function aListSaysWhyItIsNotRefreshed(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/connections');
    const said = async (text) => {
        await page.waitForFunction((text) => document.querySelector('#said').textContent.includes(text), text);
        return page.locator('[data-stale]');
    };
    const REFRESH = /\/web\/connections\?.*part=table/;
    const answers = [
        [503, { 'stale-because': 'database' }, 'The database does not answer.'],
        [500, {}, 'The server could not refresh this.'],
        [403, {}, 'You are not logged in any more'],
    ];
    for (const [status, headers, text] of answers) {
        window.statuses.add(status);
        await page.route(REFRESH, (route) => route.fulfill({ status, headers, contentType: 'text/html', body: '' }));
        const stale = await said(text);
        assert.equal(await stale.count(), 1, text);
        assert.equal(await stale.getAttribute('data-stale'), await page.locator('#said').textContent(), 'it is seen as well');
        assert.equal(await rowOf(page, 'downloader').count(), 1, 'the list keeps what it showed');
        await page.unroute(REFRESH);
        const fresh = await said('refreshed again');
        assert.equal(await fresh.count(), 0, text);
        window.statuses.delete(status);
    }
    // htmx writes each of these answers to the console.
    const others = window.faults.filter((fault) => !fault.startsWith('console: error: Response Status Error Code'));
    window.faults.splice(0, window.faults.length, ...others);
    await window.look();
}

async function theyAreClosedAndBanned(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/connections');
    await rowOf(page, 'uploader').getByRole('button', { name: /^Close the connection of uploader/ }).click();
    await page.waitForURL('**done=closed');
    assert.match(await window.text(), /was closed/);
    await rowOf(page, 'uploader').waitFor({ state: 'detached' });
    await window.look();
    await rowOf(page, 'other').getByRole('button', { name: /^Close and ban/ }).click();
    await page.waitForURL('**done=banned');
    await rowOf(page, 'other').waitFor({ state: 'detached' });
    assert.equal(await rowOf(page, 'downloader').count(), 1);
    await window.visit('/web/bans');
    assert.match(await page.locator('#bans').innerText(), /127\.0\.0\.2[\s\S]*by an administrator/);
    await window.visit('/web/refused?who=127.0.0.2');
    assert.match(await window.text(), /The address is banned until/);
    await window.look();
    await window.visit('/web/audit');
    assert.match(await page.locator('#audit').innerText(), /127\.0\.0\.2/);
}

export default [transfersAreWatched, theListIsFilteredAsOneTypes, aRefreshKeepsTheFocus, aListSaysWhyItIsNotRefreshed, theyAreClosedAndBanned];
