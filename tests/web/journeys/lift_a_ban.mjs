// Addresses are banned, bans are ended, and networks are exempted. 127.0.0.2 is banned when it begins.
import assert from 'node:assert/strict';

async function byTheButtonBesideIt(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/bans');
    await page.getByLabel('Address', { exact: true }).fill('192.0.2.9');
    await page.getByLabel('Minutes', { exact: true }).fill('10');
    await window.press('Ban the address');
    const row = page.locator('#bans tbody tr').filter({ hasText: '192.0.2.9' });
    assert.match(await row.innerText(), /(9|10) min/);
    await window.look();
    await page.getByLabel('Address', { exact: true }).fill('nowhere');
    await window.expecting(422, () => window.press('Ban the address'));
    await window.look();
    await window.visit('/web/bans');
    for (const address of ['192.0.2.9', '127.0.0.2']) {
        await page.getByRole('button', { name: `End the ban of ${address}` }).click();
        await page.waitForURL('**done=removed');
        assert.ok(!(await page.locator('#bans').innerText()).includes(address));
    }
    assert.match(await window.text(), /No address is banned/);
    await window.look();
}

async function networksAreExempted(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    await window.visit('/web/bans');
    await page.getByLabel('Address', { exact: true }).fill('192.0.2.9');
    await window.press('Ban the address');
    const exempt = async (network) => {
        await page.getByLabel('Network', { exact: true }).fill(network);
        await window.press('Exempt the network');
    };
    await exempt('192.0.2.0/24');
    assert.match(await window.text(), /is exempt from bans/);
    assert.match(await window.text(), /No address is banned/);
    await window.look();
    await page.getByLabel('Address', { exact: true }).fill('192.0.2.9');
    await window.expecting(422, () => window.press('Ban the address'));
    assert.match(await window.text(), /exempt/);
    await window.visit('/web/bans');
    await window.expecting(422, () => exempt('everywhere'));
    await window.look();
    await window.visit('/web/bans');
    await page.getByRole('button', { name: 'End the exemption of 192.0.2.0/24' }).click();
    await page.waitForURL('**done=not-exempted');
    assert.ok(!(await page.locator('#exempt').innerText()).includes('192.0.2.0'));
    await window.look();
}

export default [byTheButtonBesideIt, networksAreExempted];
