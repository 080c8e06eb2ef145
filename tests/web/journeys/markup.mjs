// Names full of markup are texts on every page: in accounts and other objects, in what clients send, in what hooks say.
// `files` has a session whose client names itself so, with open files that are called so; a login under such a name was
// refused by a hook, for a reason that is such a text.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';
import { eventually } from '../browser.mjs';
import { pages } from '../pages.mjs';

async function isText(open, { address, password, hostile, long }) {
    const rest = await Rest.logIn(address, 'root', password);
    // Names of new objects have no characters that cannot be seen.
    const visible = hostile.replaceAll(/[\u200f\u202e]/gu, '');
    await rest.user(visible, {
        description: `${hostile}${long}`,
        email: 'a@example.org',
        additional_info: `${hostile}\n${hostile}`,
        permissions: { '/': ['*'], [`/${hostile.replaceAll('/', '')}`]: ['list'] },
        filters: { file_patterns: [{ path: `/${long}`, denied_patterns: ['*.exe'] }] },
    });
    await rest.add('v2/folders', { name: visible, mapped_path: `/srv/${long}`, description: hostile });
    await rest.add('v2/groups', { name: visible, description: hostile });
    await rest.add('v2/roles', { name: visible, description: hostile });
    await rest.admin(visible, ['*'], { description: long });
    await rest.add('v2/apikeys', { name: visible, description: hostile });
    const who = encodeURIComponent(hostile);
    const called = encodeURIComponent(visible);
    const run = await eventually('a call', async () => (await rest.get(`tidegate/hooks/runs?username=${who}`)).runs[0]?.id);

    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    const objects = Object.entries({ users: called, groups: called, folders: called, roles: called, admins: called });
    const paths = [
        ...objects.flatMap(([kind, name]) => [`/web/${kind}`, ...['show', 'edit', 'json', 'delete'].map((view) => `/web/${kind}/${view}?name=${name}`)]),
        ...objects.slice(0, 4).map(([kind, name]) => `/web/${kind}/new?from=${name}`),
        ...objects.map(([kind, name]) => `/web/${kind}?search=${name}`),
        '/web/connections',
        `/web/connections?search=${who}`,
        `/web/refused?who=${who}`,
        `/web/runs/show?id=${run}`,
        `/web/runs?username=${who}`,
        `/web/explain?username=${who}`,
        '/web/audit',
        `/web/audit?author=${called}`,
        '/web/keys',
        '/web',
        // Whatever else there is, about that name.
        ...pages(run).map(([path]) => path.replace(/=(ada|staff|team|sales|upload-policy|chief)$/, `=${called}`)),
    ];
    window.statuses.add(404);
    for (const path of new Set(paths)) {
        await page.setViewportSize({ width: 360, height: 740 });
        await window.visit(path);
        await nothingIsMarkup(page, path);
    }
    // Where it is to be read, it is, character by character.
    // Characters that cannot be seen have a mark.
    const has = async (path, raw) => {
        const text = raw.replaceAll(/[\u200f\u202e]/gu, '\ufffd');
        await page.goto(address + path);
        const shown = await page.evaluate(() => document.querySelector('main').textContent);
        assert.ok(shown.includes(text), `${path} shows ${JSON.stringify(text)}: ${JSON.stringify(shown.slice(0, 2000))}`);
    };
    await has('/web/users', visible);
    await has(`/web/users/show?name=${called}`, long);
    await has('/web/connections', `one\ntwo ${hostile.replaceAll('/', '')}`);
    await has('/web/connections', '<b>client');
    await has(`/web/refused?who=${who}`, `because ${hostile}`);
    await has(`/web/runs/show?id=${run}`, `because ${hostile}`);

    // As an administrator, and in what a form sends back.
    const other = await open();
    await other.logIn(visible, 'pw');
    await other.visit('/web/account');
    await nothingIsMarkup(other.page, 'own page');
    await other.page.goto(`${address}/web/users/edit?name=${called}`);
    await other.page.locator('[name="description"]:not([type="hidden"])').fill(`changed ${hostile}`);
    await other.press('See the difference');
    await other.look();
    await nothingIsMarkup(other.page, 'difference');
    await other.press('Save');
    assert.equal((await rest.get(`v2/users/${called}`)).description, `changed ${hostile}`);
    await nothingIsMarkup(other.page, 'saved');
    await other.visit(`/web/audit?author=${called}`);
    await nothingIsMarkup(other.page, 'audit');
    await other.page.goto(`${address}/web/users/new`);
    await other.page.locator('[name="username"]').fill(`new ${hostile}`);
    await other.page.locator('[name="expiration_date"]').fill(hostile);
    await other.expecting(422, () => other.press('See the difference'));
    await nothingIsMarkup(other.page, 'refused form');

    // What a stranger types is given back.
    const stranger = await open();
    const isGivenBack = async (path) => {
        assert.equal(await stranger.page.locator('[name="username"]').inputValue(), hostile, path);
        await nothingIsMarkup(stranger.page, path);
        await stranger.look();
    };
    await stranger.page.goto(`${address}/web/login`);
    await stranger.expecting(401, () => stranger.fillLogIn(hostile, 'wrong'));
    await isGivenBack('/web/login');
    await stranger.page.goto(`${address}/web/first`);
    for (const name of ['code', 'username', 'password', 'again']) await stranger.page.locator(`[name="${name}"]`).fill(hostile);
    await stranger.expecting(403, () => stranger.press('Add the administrator'));
    await isGivenBack('/web/first');
}

export async function nothingIsMarkup(page, path) {
    const found = await page.evaluate(() =>
        [...document.querySelectorAll('main img, main script, main b, main style, img[src="x"], [onerror]')].map((element) => element.outerHTML),
    );
    assert.deepEqual(found.filter((html) => !html.includes('data:image') && !html.includes('/web/')), [], path);
}

export default [isText];
