// Accounts are found, changed, and deleted: one by one with the difference before, in two windows at once, many at once.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';

const fieldOf = (page) => (name) => page.locator(`[name="${name}"]:not([type="hidden"])`);
const named = (path, name) => `/web/users/${path}?name=${encodeURIComponent(name)}`;

/// `open` has a session.
async function theDifferenceSaysWhatFollows(open, { address, password }) {
    const window = await open();
    const field = fieldOf(window.page);
    await window.logIn('root', password);
    await window.visit(named('edit', 'open'));
    assert.equal(await window.page.locator('[name="username"]').count(), 0, 'the name is fixed');
    await window.press('See the difference');
    assert.match(await window.text(), /Nothing is different/);
    assert.equal(await window.page.getByRole('button', { name: 'Save', exact: true }).count(), 0);
    await window.press('Back to the form');
    await field('description').fill('Has left');
    await field('status').selectOption('0');
    await window.press('See the difference');
    const rows = await window.page.locator('#difference tbody tr').allInnerTexts();
    assert.deepEqual(rows.map((row) => row.split(/\s+/)[0]).sort(), ['description', 'status']);
    assert.match(await window.text(), /ends 1 open session[^]*it was disabled/);
    await window.look();
    const rest = await Rest.logIn(address, 'root', password);
    assert.equal((await rest.get('v2/users/open')).status, 1, 'nothing is saved yet');
    await window.press('Save');
    assert.match(await window.text(), /were saved/);
    const stored = await rest.get('v2/users/open');
    assert.deepEqual([stored.status, stored.description], [0, 'Has left']);
}

async function twoWindowsAtOnce(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('both', { description: 'as it was', filters: { denied_ip: ['192.0.2.0/24'] } });
    const first = await open();
    await first.logIn('root', password);
    const second = await first.second();
    for (const window of [first, second]) await window.visit(named('edit', 'both'));
    await fieldOf(first.page)('description').fill('of the first');
    await fieldOf(first.page)('quota_files').fill('10');
    await first.press('See the difference');
    await fieldOf(second.page)('description').fill('of the second');
    await fieldOf(second.page)('quota_size').fill('20');
    await second.press('See the difference');
    await first.press('Save');
    await second.expecting(409, () => second.press('Save'));
    assert.match(await second.heading(), /changed meanwhile/);
    assert.match(await second.page.locator('#theirs').innerText(), /as it was\s+of the first[\s\S]*10/);
    assert.match(await second.page.locator('#mine').innerText(), /of the first\s+of the second[\s\S]*20/);
    await second.look();
    assert.equal((await rest.get('v2/users/both')).description, 'of the first', 'nothing of the second is saved');
    await second.press('Review and save them');
    await second.press('Save');
    const stored = await rest.get('v2/users/both');
    assert.deepEqual([stored.description, stored.quota_files, stored.quota_size], ['of the second', 10, 20]);
    assert.deepEqual(stored.filters.denied_ip, ['192.0.2.0/24']);
    second.check();
}

async function theDocumentKeepsWhatTheFormDoesNotKnow(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    // Fields that the server keeps for others, and one inside of an entry that it does not know.
    const kept = {
        filters: { tls_username: 'CommonName', web_client: ['shares-disabled'], file_patterns: [{ path: '/a', denied_patterns: ['*.exe'], later: 'kept' }] },
        additional_info: '{"panel":7}',
    };
    await rest.user('document', kept);
    const before = await rest.get('v2/users/document');
    const window = await open();
    const field = fieldOf(window.page);
    await window.logIn('root', password);
    await window.visit(named('json', 'document'));
    const shown = JSON.parse(await field('document').inputValue());
    assert.equal(shown.filters.file_patterns[0].later, 'kept');
    shown.description = 'by its document';
    shown.later = { than: 'this server' };
    await field('document').fill(JSON.stringify(shown));
    await window.expecting(422, () => window.press('See the difference'));
    assert.match(await window.text(), /does not know later/);
    assert.equal(JSON.parse(await field('document').inputValue()).description, 'by its document', 'nothing is lost');
    await window.look();
    delete shown.later;
    await field('document').fill(JSON.stringify(shown));
    await window.press('See the difference');
    await window.press('Save');
    const after = await rest.get('v2/users/document');
    assert.deepEqual([after.filters, after.additional_info], [before.filters, before.additional_info]);
    assert.equal(after.description, 'by its document');

    await window.visit(named('edit', 'document'));
    await field('description').fill('by the form');
    await window.press('See the difference');
    await window.press('Save');
    const formed = await rest.get('v2/users/document');
    assert.deepEqual(formed.filters, before.filters);

    await window.visit(named('json', 'document'));
    await field('document').fill('{"username": ');
    await window.expecting(422, () => window.press('See the difference'));
    assert.match(await window.text(), /not a JSON object/);
    await window.look();
}

async function manyAtOnce(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    for (let number = 0; number < 60; number += 1) await rest.user(`m${String(number).padStart(2, '0')}`);
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/users');
    const rows = page.locator('#users tbody tr');

    // The list follows what is typed, and the address with it.
    await page.getByLabel('Search').pressSequentially('m1');
    await page.waitForURL('**/web/users?search=m1**');
    await page.waitForFunction(() => document.querySelectorAll('#users tbody tr').length === 10);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'search', 'the search keeps the focus');
    assert.match(await page.getByRole('status').last().textContent(), /: 10 rows/, 'a screen reader is told');
    await window.look();
    await page.getByLabel('Search').fill('m');
    await page.waitForFunction(() => document.querySelectorAll('#users tbody tr').length === 50);
    await page.getByRole('link', { name: 'Next page' }).click();
    await page.waitForURL('**after=**');
    assert.equal(await rows.count(), 10);
    await page.goto(`${address}/web/users?search=m&qlimit=7`);
    assert.equal(await rows.count(), 7);

    const ticked = page.locator('#users tbody input:checked');
    await page.getByLabel('Tick all that are shown').check();
    assert.equal(await ticked.count(), 7);
    await page.getByLabel('Tick all that are shown').uncheck();
    assert.equal(await ticked.count(), 0);
    for (const name of ['m00', 'm02']) await page.getByLabel(`Tick ${name}`).check();
    await window.press('Disable…');
    assert.match(await window.heading(), /Disable 2 account/);
    await window.look();
    await window.press(/^Disable 2 account/);
    assert.match(await window.text(), /done with all of them/);
    const states = await Promise.all(['m00', 'm01', 'm02'].map(async (name) => (await rest.get(`v2/users/${name}`)).status));
    assert.deepEqual(states, [0, 1, 0]);

    await page.goto(`${address}/web/users?search=m0`);
    await page.getByLabel('Tick m07').check();
    await window.press('Count files…');
    await window.press(/^Count the files of 1 account/);
    assert.equal(page.url(), `${address}/web/quota?done=begun`);
    await page.goto(`${address}/web/users?search=m0`);
    for (const name of ['m03', 'm04', 'm05']) await page.getByLabel(`Tick ${name}`).check();
    await window.press('Delete…');
    await window.press(/^Delete 3 account/);
    await page.goto(`${address}/web/users?search=m0`);
    assert.equal(await rows.count(), 7);
    await page.goto(`${address}${named('delete', 'm06')}`);
    await window.look();
    await window.press('Delete');
    await page.goto(`${address}/web/users?search=m0`);
    assert.equal(await rows.count(), 6);
    await window.expecting(404, () => page.goto(`${address}${named('show', 'm06')}`));
    await window.look();
}

async function addressesOfTheOlderServer(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    const { id } = await rest.user('numbered');
    const window = await open();
    await window.logIn('root', password);
    const leads = { '/': '/web', '/web': '/web', '/web/users': '/web/users', '/web/user': '/web/users/new', '/web/connections': '/web/connections' };
    leads[`/web/user/${id}`] = named('show', 'numbered');
    for (const [from, to] of Object.entries(leads)) {
        await window.visit(from);
        assert.equal(window.page.url(), address + to, from);
    }
    for (const path of ['/web/user/999999', '/web/user/x', '/web/nothing']) {
        await window.expecting(404, () => window.page.goto(address + path));
        await window.look();
    }
}

export default [
    theDifferenceSaysWhatFollows,
    twoWindowsAtOnce,
    theDocumentKeepsWhatTheFormDoesNotKnow,
    manyAtOnce,
    addressesOfTheOlderServer,
];
