// Each page with each permission: an administrator without it sees neither the page, nor a link or a button to it.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';
import { FILES, FORMS, FORMS_OF_STRANGERS, OF_STRANGERS, furnish, pages, permissions } from '../pages.mjs';

const pathOf = (address) => address.split('?')[0];
/// What is read only where it may be.
const DATA = /ada@example\.org|All of us|Of the team|Of the shop|Has all keys|192\.0\.2\.7|203\.0\.113|nightly|upload-policy|sundays\.sh/;

async function seeNeitherDataNorButtons(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    const all = pages(await furnish(rest));
    const known = [...all, ...FILES];
    const needs = (path, table) => table.find(([address]) => pathOf(address) === path)?.[1];
    const root = await open();
    await root.logIn('root', password);
    for (const { path, status, links, forms } of await ask(root, all.map(([path]) => path))) {
        assert.equal(status, 200, path);
        for (const link of links) assert.ok(needs(link, known), `${path}: tests/web/pages.mjs does not know ${link}`);
        for (const form of forms) assert.ok(needs(form, FORMS), `${path}: tests/web/pages.mjs does not know the form ${form}`);
    }

    // With one permission, and with some that belong together.
    const guests = [...permissions().map((permission) => [permission]), ['view_users', 'edit_users'], ['view_conns', 'close_conns']];
    for (const held of guests) {
        const name = `with-${held.join('-')}`;
        await rest.admin(name, held);
        const guest = await open();
        await guest.logIn(name, 'pw');
        const may = (needs) => needs.every((permission) => held.includes(permission));
        const mayAny = (needs) => needs.some((permission) => held.includes(permission));
        const mayUse = (form) => may(needs(form, FORMS)) || (form.endsWith('/bulk') && mayAny(needs(form, FORMS)));
        guest.statuses.add(403);
        for (const { path, status, text, links, forms } of await ask(guest, all.map(([path]) => path))) {
            const shown = `${name} ${path}`;
            if (!may(all.find(([other]) => other === path)[1])) {
                assert.equal(status, 403, shown);
                assert.ok(!DATA.test(text), `${shown}: ${text}`);
                continue;
            }
            assert.equal(status, 200, shown);
            for (const link of links) assert.ok(may(needs(link, known)), `${shown} has a link to ${link}`);
            for (const form of forms) assert.ok(mayUse(form), `${shown} has the form ${form}`);
        }
        const forbidden = FORMS.filter(([path]) => !mayUse(path)).map(([path]) => `${path}?name=ada`);
        for (const { path, status } of await ask(guest, forbidden, 'POST')) assert.equal(status, 403, `${name} ${path}`);
        if (held.length > 1) {
            await guest.visit('/web/users');
            await guest.visit('/web');
        }
        await guest.close();
    }
}

/// Without a session, each page is that of the log-in; what there is was put there by the journey before.
async function strangersSeeNoData(open) {
    const stranger = await open();
    await stranger.visit('/web/login');
    const all = pages('1').map(([path]) => path);
    for (const { path, status, text, forms } of await ask(stranger, [...OF_STRANGERS, ...all])) {
        assert.equal(status, 200, path);
        assert.ok(!DATA.test(text), `${path}: ${text}`);
        for (const form of forms) assert.ok(FORMS_OF_STRANGERS.includes(form), `${path}: tests/web/pages.mjs does not know the form ${form}`);
    }
    for (const path of OF_STRANGERS) await stranger.visit(path);
}

/// Asks for the paths from within a page; gives back what each is answered, and where it leads.
function ask(window, paths, method = 'GET') {
    return window.page.evaluate(
        ({ paths, method }) => {
            const one = async (path) => {
                const body = method === 'POST' ? new URLSearchParams({ action: 'delete', name: 'ada' }) : undefined;
                const answer = await fetch(path, { method, body });
                const text = await answer.text();
                const page = new DOMParser().parseFromString(text, 'text/html');
                const addresses = (elements, attribute) =>
                    [...new Set([...page.querySelectorAll(elements)].map((element) => new URL(element.getAttribute(attribute), location).pathname))];
                return {
                    path,
                    status: answer.status,
                    text: page.querySelector('main')?.textContent ?? text,
                    links: [...addresses('a[href^="/"]', 'href'), ...addresses('form[method="get"]', 'action')],
                    forms: addresses('form[method="post"]', 'action'),
                };
            };
            return Promise.all(paths.map(one));
        },
        { paths, method },
    );
}

export default [seeNeitherDataNorButtons, strangersSeeNoData];
