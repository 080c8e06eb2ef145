// What an operator does besides accounts: scans, the audit, a dump, plugins, and the configuration, which is only read.
// `ada` has files that the usage does not know of; the plugin is signed, and may be changed in the browser.
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { eventually } from '../browser.mjs';
import { Rest } from '../rest.mjs';

/// The file that a link leads to.
async function download(window, name) {
    const [file] = await Promise.all([window.page.waitForEvent('download'), window.page.getByRole('main').getByText(name, { exact: true }).click()]);
    return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') };
}

async function quotaScan(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    assert.equal((await rest.get('v2/users/ada')).used_quota_files, 0);
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/quota');
    await page.getByLabel('Name').fill('ada');
    await window.press('Count its files again');
    assert.match(await window.text(), /has begun/);
    await window.look();
    await eventually('the scan is over', async () => {
        await page.goto(`${address}/web/users/show?name=ada`);
        return (await window.text()).includes('3 of 10');
    });
    assert.equal(await page.getByRole('progressbar', { name: 'Files of ada' }).evaluate((bar) => bar.value / bar.max), 0.3);
    await window.look();
    await window.visit('/web/quota?live=0');
    await page.getByLabel('Name').fill('nobody');
    await window.expecting(404, () => window.press('Count its files again'));
    await window.look();
}

async function theAuditIsFilteredAndExported(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('audited', { description: 'before' });
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/users/edit?name=audited');
    await page.locator('[name="description"]:not([type="hidden"])').fill('after');
    await page.locator('[name="password"]:not([type="hidden"])').fill('a new secret');
    await window.press('See the difference');
    await window.press('Save');
    await window.visit('/web/audit');
    await page.getByLabel('Name').pressSequentially('audited');
    await page.waitForURL('**name=audited**');
    await page.waitForFunction(() => document.querySelectorAll('#audit tbody tr').length === 2);
    const [newest, oldest] = await page.locator('#audit tbody tr').allInnerTexts();
    assert.match(newest, /root\s+web[\s\S]*update user audited[\s\S]*description/);
    assert.match(oldest, /root\s+rest[\s\S]*add user audited/);
    await window.look();
    // The file has what is shown.
    const { name, text } = await download(window, 'Export as JSON lines');
    assert.equal(name, 'audit.jsonl');
    const records = text.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(records.map((record) => [record.action, record.name, record.door]), [['update', 'audited', 'web'], ['add', 'audited', 'rest']]);
    assert.ok(!text.includes('a new secret') && !text.includes('$argon2'), text);
}

async function aDumpIsDownloadedAndLoaded(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('dumped', { description: 'in the dump' });
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/dump');
    const { name, text } = await download(window, 'Download a dump');
    assert.match(name, /\.json$/);
    const dump = JSON.parse(text);
    assert.equal(dump.users.find((user) => user.username === 'dumped').description, 'in the dump');

    await rest.ask('PUT', 'v2/users/dumped', { ...(await rest.get('v2/users/dumped')), description: 'changed since' });
    await rest.user('not-dumped');
    const upload = async (text) => {
        await page.goto(`${address}/web/dump`);
        await page.getByLabel('File').setInputFiles({ name: 'dump.json', mimeType: 'application/json', buffer: Buffer.from(text) });
        await window.press('See what would change');
    };
    await window.expecting(400, () => upload('no dump'));
    await window.look();
    dump.users.push({ ...dump.users.find((user) => user.username === 'dumped'), username: 'dumped-too' });
    await upload(JSON.stringify(dump));
    assert.match(await window.text(), /dumped\s+changed\s+description/);
    assert.match(await window.text(), /dumped-too\s+new/);
    await window.look();
    assert.equal((await rest.get('v2/users/dumped')).description, 'changed since', 'nothing is loaded yet');
    await window.press(/^Load \d+ document/);
    assert.match(await window.text(), /was loaded/);
    const stored = await Promise.all(['dumped', 'dumped-too', 'not-dumped'].map((name) => rest.get(`v2/users/${name}`)));
    assert.deepEqual(stored.map((user) => user.description ?? ''), ['in the dump', 'in the dump', '']);
}

async function theConfigurationIsNeverWritable(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/configuration');
    assert.match(await window.text(), /sftpd\.bind|bind_address/);
    assert.equal(await page.locator('main form, main input, main textarea, main select, main button').count(), 0);
    for (const method of ['post', 'put', 'patch', 'delete']) {
        const answer = await page.request[method](`${window.origin}/web/configuration`, { headers: { origin: window.origin }, failOnStatusCode: false });
        assert.equal(answer.status(), 405, method);
    }
}

/// The plugin lets files of a thousand million bytes at most stay.
async function hooksAreAskedAboutAMadeUpUpload(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    const ask = async (point, size) => {
        await window.visit('/web/hooks/test?about=file');
        const one = await page.locator('[name="hook"] option', { hasText: `${point}: upload-policy` }).getAttribute('value');
        await page.locator('[name="hook"]').selectOption(one);
        await page.locator('[name="username"]').fill('ada');
        await page.locator('[name="action"]').selectOption('upload');
        await page.locator('[name="path"]').fill('/report.pdf');
        await page.locator('[name="size"]').fill(String(size));
        await window.press('Ask the configured hooks');
        await window.look();
        return page.locator('#verdicts tbody tr').allInnerTexts();
    };
    const [all, alone, ...others] = await ask('pre-action', 5);
    for (const row of [all, alone]) assert.match(row, /allow/);
    assert.deepEqual(others, []);
    for (const row of await ask('post-action', 2_000_000_000)) assert.match(row, /2000000000 bytes, and 1000000000 are allowed/);
}

async function plugins(open, { address, password, plugin }) {
    const window = await open();
    await window.logIn('root', password);
    await window.visit('/web/plugins');
    assert.match(await window.text(), /upload-policy[\s\S]*in service/);
    await window.press('Read the directory again');
    assert.match(await window.text(), /was read again/);
    await window.press('upload-policy');
    assert.match(await window.text(), /[0-9a-f]{64}[\s\S]*Version of the contract\s+0\.\d[\s\S]*Signed by\s+SHA256:/);
    await window.look();

    // Without its file, what it decided is refused until an operator lets go of it.
    await rm(plugin);
    await eventually('the plugin is missing', async () => {
        await window.page.goto(`${address}/web/plugins`);
        return (await window.text()).includes('There is no such file; put it back');
    });
    await window.look();
    await window.press('upload-policy');
    await window.look();
    await window.press(/^Let go of the gates/);
    assert.match(await window.text(), /gates of the plugin no longer refuse/);
    assert.doesNotMatch(await window.text(), /put it back/);
    await window.look();
}

export default [
    quotaScan,
    theAuditIsFilteredAndExported,
    aDumpIsDownloadedAndLoaded,
    theConfigurationIsNeverWritable,
    hooksAreAskedAboutAMadeUpUpload,
    plugins,
];
