// Groups, folders and roles are added, used, changed and deleted in the browser.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';

async function fromAddingToDeleting(open, { address, password, homes }) {
    const rest = await Rest.logIn(address, 'root', password);
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    const kinds = [
        ['folders', 'folder', { name: 'team', mapped_path: `${homes}/team` }],
        ['groups', 'group', { name: 'staff', description: 'All of us' }],
        ['roles', 'role', { name: 'sales', description: 'Of the shop' }],
    ];
    for (const [plural, noun, fields] of kinds) {
        await window.visit(`/web/${plural}`);
        await window.press(`Add a ${noun}`);
        await window.look();
        for (const [name, value] of Object.entries(fields)) await page.locator(`[name="${name}"]:not([type="hidden"])`).fill(value);
        await window.press('See the difference');
        await window.press('Save');
        assert.match(await window.heading(), new RegExp(fields.name));
        const given = (await rest.get(`v2/${plural}/${fields.name}`)).user_settings?.permissions;
        assert.equal(given, undefined, 'a group gives only what was asked for');
        await window.look();
        await window.press('Edit');
        await page.locator('[name="description"]:not([type="hidden"])').fill('Changed');
        await window.press('See the difference');
        await window.press('Save');
        assert.equal((await rest.get(`v2/${plural}/${fields.name}`)).description, 'Changed');
    }
    await rest.user('member', { groups: [{ name: 'staff', type: 1 }], role: 'sales', virtual_folders: [{ name: 'team', virtual_path: '/team' }] });
    await rest.ask('PUT', 'v2/groups/staff', { ...(await rest.get('v2/groups/staff')), user_settings: { max_sessions: 7 } });
    await window.visit('/web/users/effective?name=member');
    assert.match(await page.locator('#taken').innerText(), /max_sessions[\s\S]*7[\s\S]*staff/);
    for (const [plural, , fields] of kinds) {
        await window.visit(`/web/${plural}/show?name=${fields.name}`);
        assert.match(await window.text(), /member/, plural);
        await window.press('Delete…');
        await window.expecting(409, () => window.press('Delete'));
        assert.match(await window.text(), /member/, 'what is in use is not deleted');
        await window.look();
    }
    await rest.ask('DELETE', 'v2/users/member');
    for (const [plural, noun, fields] of kinds.reverse()) {
        const tick = async (what, confirmation) => {
            await window.visit(`/web/${plural}`);
            await page.getByLabel(`Tick ${fields.name}`).check();
            await window.press(what);
            await window.look();
            await window.press(confirmation);
        };
        if (plural === 'folders') {
            await tick('Count files…', /^Count the files of 1 folder/);
            assert.equal(page.url(), `${address}/web/quota?done=begun`);
            await window.visit(`/web/${plural}/delete?name=${fields.name}`);
            await window.press('Delete');
        } else {
            await tick('Delete…', new RegExp(`^Delete 1 ${noun}`));
        }
        await page.waitForURL(new RegExp(`/web/${plural}\\?done=(deleted|bulk)`));
        assert.match(await window.heading(), new RegExp(`${noun}s`, 'i'));
        assert.ok(!(await page.locator('#objects').innerText()).includes(fields.name));
    }
}

export default [fromAddingToDeleting];
