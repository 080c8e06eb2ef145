// Pictures of each page with made-up data: sessions with transfers under way, a refused login, hooks with calls.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { Window, launch } from './browser.mjs';
import { furnish } from './pages.mjs';
import { Rest } from './rest.mjs';
import { MadeUpServer, PASSWORD } from './server.mjs';

const WIDTHS = [360, 1280];
const THEMES = ['light', 'dark'];
const [directory, ...parts] = process.argv.slice(2);
const isWanted = (name) => parts.length === 0 || parts.some((part) => name.includes(part));
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio ada@laptop';
/// A page's picture is no longer than this.
const LONGEST = 1100;
const PEOPLE = [
    ['ada', 'Ada Lovelace, analysis'],
    ['alan', 'Alan Turing, cryptanalysis'],
    ['barbara', 'Barbara Liskov, languages'],
    ['edsger', 'Edsger Dijkstra, algorithms'],
    ['grace', 'Grace Hopper, compilers'],
    ['katherine', 'Katherine Johnson, orbits'],
    ['margaret', 'Margaret Hamilton, flight'],
    ['radia', 'Radia Perlman, bridges'],
];

/// What each picture of the web admin shows; RUN stands for the number of a hook's call.
const SHOWN = {
    overview: '/web',
    connections: '/web/connections',
    refused: '/web/refused?who=eve',
    hooks: '/web/hooks',
    'hook-test': '/web/hooks/test',
    explain: '/web/explain?username=ada',
    runs: '/web/runs',
    run: '/web/runs/show?id=RUN',
    plugins: '/web/plugins',
    plugin: '/web/plugins/show?name=upload-policy',
    users: '/web/users',
    user: '/web/users/show?name=ada',
    'user-edit': '/web/users/edit?name=ada',
    'user-effective': '/web/users/effective?name=ada',
    'user-json': '/web/users/json?name=ada',
    'user-codes': '/web/users/codes?name=ada',
    'user-link': '/web/users/link?name=ada',
    'user-new': '/web/users/new',
    'user-delete': '/web/users/delete?name=ada',
    groups: '/web/groups',
    group: '/web/groups/show?name=staff',
    'group-edit': '/web/groups/edit?name=staff',
    folders: '/web/folders',
    folder: '/web/folders/show?name=team',
    'folder-edit': '/web/folders/edit?name=team',
    bans: '/web/bans',
    quota: '/web/quota',
    dump: '/web/dump',
    audit: '/web/audit',
    admins: '/web/admins',
    admin: '/web/admins/show?name=chief',
    'admin-edit': '/web/admins/edit?name=chief',
    'admin-codes': '/web/admins/codes?name=chief',
    roles: '/web/roles',
    role: '/web/roles/show?name=sales',
    'role-edit': '/web/roles/edit?name=sales',
    keys: '/web/keys',
    tokens: '/web/tokens',
    'key-new': '/web/keys/new',
    configuration: '/web/configuration',
    account: '/web/account',
};
/// Those of the pages of users, once one has logged in.
const OWN = {
    own: '/web/client',
    'own-password': '/web/client/password',
    'own-keys': '/web/client/keys',
    'own-codes': '/web/client/codes',
    'own-link': '/web/client/login-link?code=x',
    'own-reset': '/web/client/reset?code=x',
};

const server = await MadeUpServer.start();
const browser = await launch();
try {
    await takeFirst();
    const run = await fill(server);
    for (const theme of THEMES) {
        for (const width of WIDTHS) await takeAll(run, theme, width);
    }
} finally {
    await browser.close();
    await server.stop();
}

/// Fills the server; gives back the number of a hook's call.
async function fill(server) {
    const rest = await Rest.logIn(server.address, 'root', PASSWORD);
    const large = `${server.directory}/large`;
    await writeFile(large, Buffer.alloc(60_000_000, 7));
    for (const [name, description] of PEOPLE) {
        const home = `${server.directory}/homes/${name}`;
        await mkdir(home, { recursive: true });
        await rest.user(name, { description, home_dir: home, quota_size: 1 << 30, quota_files: 1000, email: `${name}@example.org` });
        await server.sftpDone(name, 'pw', `put ${large} /report-2026.tar\nput ${large} /minutes.pdf\n`);
    }
    await rest.ask('PUT', 'v2/users/radia', { ...(await rest.get('v2/users/radia')), status: 0 });
    await rest.ask('PUT', 'v2/users/ada', { ...(await rest.get('v2/users/ada')), public_keys: [KEY] });
    await server.sftpDone('ada', 'wrong', 'pwd\n');
    await server.sftpDone('eve', 'pw', 'pwd\n');
    const run = await furnish(rest);
    await rest.add('v2/users/ada/login-links', { name: 'for the phone' });
    await minutes(3);
    await server.scp('grace', 'pw', large, '/survey-2026.csv', 2000);
    await server.sftp('margaret', 'pw', `get /report-2026.tar ${server.directory}/fetched\n`, { kilobits: 2000 });
    await server.sftp('katherine', 'pw', `put ${large} /orbit.dat\n`, { kilobits: 1500, options: ['-oBindAddress=127.0.0.3'] });
    return run;
}

/// Keeps the server busy, so that plots have so many points.
async function minutes(count) {
    const small = `${server.directory}/small`;
    await writeFile(small, Buffer.alloc(3_000_000, 7));
    const end = Date.now() + count * 60_000 + 5_000;
    for (let round = 1; Date.now() < end; round += 1) {
        const [name] = PEOPLE[round % (PEOPLE.length - 1)];
        const batch = `put ${small} /notes.txt\nget /notes.txt ${server.directory}/notes\n`.repeat(1 + (round * 7) % 5);
        await server.sftpDone(name, 'pw', batch);
        if (round % 3 === 0) await server.sftpDone('eve', 'pw', 'pwd\n');
        await new Promise((resolve) => setTimeout(resolve, 500 + ((round * 37) % 11) * 400));
    }
}

/// The page for the first administrator, on a server that has none: empty, and when a code was refused. In the end it takes
/// the code of the log, which is in no picture.
async function takeFirst() {
    const empty = await MadeUpServer.start({ hasAdministrator: false });
    try {
        let last;
        for (const theme of THEMES) {
            for (const width of WIDTHS) {
                await last?.window.close();
                last = await opened(empty, theme, width);
                await last.window.page.goto(`${empty.address}/web/first`);
                await last.take('first');
                await addFirst(last.window, 'tgt_a-code-of-another-server');
                await last.window.page.getByText('The code is wrong').waitFor();
                await last.take('first-refused');
            }
        }
        await addFirst(last.window, empty.code);
        await last.window.page.waitForURL('**/web/login?done=added');
        await last.window.close();
    } finally {
        await empty.stop();
    }
}

async function addFirst({ page }, code) {
    for (const [name, text] of Object.entries({ code, username: 'root', password: PASSWORD, again: PASSWORD })) await page.locator(`[name="${name}"]`).fill(text);
    await page.getByRole('button', { name: 'Add the administrator' }).click();
}

/// A window, and what takes a picture of it.
async function opened(server, theme, width) {
    const window = await Window.open(browser, { address: server.address }, { colorScheme: theme, viewport: { width, height: 800 } });
    const { page } = window;
    const take = async (name) => {
        if (!isWanted(`${name}-${width}-${theme}`)) return;
        const left = await page.evaluate(rename, server.names);
        assert.deepEqual(left, [], `${name} shows directories of this run`);
        const height = Math.min(LONGEST, await page.evaluate(() => document.documentElement.scrollHeight));
        await page.screenshot({ path: `${directory}/${name}-${width}-${theme}.png`, fullPage: true, clip: { x: 0, y: 0, width, height } });
    };
    return { window, take };
}

async function takeAll(run, theme, width) {
    const { window, take } = await opened(server, theme, width);
    const { page } = window;
    await page.goto(`${server.address}/web/login`);
    await take('login');
    await window.logIn('root', PASSWORD);
    for (const [name, path] of Object.entries(SHOWN)) {
        await page.goto(server.address + path.replace('RUN', run));
        await take(name);
    }
    await page.goto(`${server.address}/web/users/edit?name=grace`);
    await page.locator('[name="status"]:not([type="hidden"])').selectOption('0');
    await page.locator('[name="description"]:not([type="hidden"])').fill('On leave until spring');
    await page.getByRole('button', { name: 'See the difference' }).click();
    await page.waitForLoadState();
    await take('difference');
    await takeAnswers(window, take);
    await takeOwnPages(window, take);
    await window.close();
}

/// What forms lead to: many accounts at once, verdicts about a made-up login, and a change that another one was ahead of.
async function takeAnswers({ page }, take) {
    const press = (name) => Promise.all([page.waitForNavigation(), page.getByRole('main').getByRole('button', { name, exact: true }).click()]);
    const go = (path) => page.goto(server.address + path);
    await go('/web/users');
    for (const name of ['alan', 'edsger']) await page.getByLabel(`Tick ${name}`).check();
    await press('Disable…');
    await take('bulk');
    await go('/web/hooks/test?username=eve');
    await press('Ask the configured hooks');
    await take('hook-verdict');
    await go('/web/users/edit?name=barbara');
    await page.locator('[name="quota_files"]:not([type="hidden"])').fill('2000');
    await press('See the difference');
    const rest = await Rest.logIn(server.address, 'root', PASSWORD);
    const stored = await rest.get('v2/users/barbara');
    const field = stored.description.endsWith('languages') ? 'types' : 'languages';
    await rest.ask('PUT', 'v2/users/barbara', { ...stored, description: `Barbara Liskov, ${field}` });
    await press('Save');
    await take('conflict');
}

/// The pages of users.
async function takeOwnPages({ page }, take) {
    await page.goto(`${server.address}/web/client/login`);
    await take('own-login');
    await page.getByLabel('Username').fill('ada');
    await page.getByLabel('Password').fill('pw');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL('**/web/client');
    for (const [name, path] of Object.entries(OWN)) {
        await page.goto(server.address + path);
        await take(name);
    }
}

/// Gives directories of this run the names of a server that is there to stay; gives back the texts that still have one.
function rename(names) {
    const renamed = (text) => names.reduce((text, [directory, name]) => text.replaceAll(directory, name), text);
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { data } = texts.currentNode;
        if (renamed(data) !== data) texts.currentNode.data = renamed(data);
    }
    const fields = [...document.querySelectorAll('input:not([type="file"]), textarea')];
    for (const field of fields) if (renamed(field.value) !== field.value) field.value = renamed(field.value);
    const [directory] = names.at(-1);
    return [document.body.textContent, ...fields.map((field) => field.value)].filter((text) => text.includes(directory));
}
