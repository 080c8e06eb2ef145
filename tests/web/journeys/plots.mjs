// Plots of what was counted: lines with their numbers as a table, once a minute is over.
import assert from 'node:assert/strict';
import { eventually } from '../browser.mjs';

async function theLastHourIsDrawn(open, { password }) {
    const window = await open();
    const { page } = window;
    await window.logIn('root', password);
    const isDrawn = async (plot) => (await page.locator(`${plot} polyline`).count()) > 0 || (await page.reload(), false);
    await eventually('a minute is over', () => isDrawn('#plot-logins'));
    await window.look();
    for (const title of ['Attempts to log in', 'Transfers, bytes a second', 'Sessions', 'Calls of hooks']) {
        const plot = page.locator('figure').filter({ has: page.getByRole('img', { name: new RegExp(`^${title} `) }) });
        assert.match(await plot.locator('desc').textContent(), /at the end, at most/, title);
        await plot.locator('summary').click();
        const rows = plot.locator('tbody tr');
        assert.ok((await rows.count()) > 0, title);
        // What is drawn, what stands beside it, and the newest row say the same.
        const said = (await plot.locator('.key').first().innerText()).split(': ')[1].trim();
        assert.equal((await rows.first().locator('td').nth(1).innerText()).trim(), said, title);
    }
    await window.look();
    assert.equal(await page.locator('[style]').count(), 0);
    await window.press('The last day');
    assert.match(await page.locator('nav.tabs [aria-current]').innerText(), /last day/);
    await window.look();
    await window.visit('/web/hooks');
    assert.ok((await page.locator('figure.plot svg[role="img"]').count()) > 0, 'hooks have plots as well');
}

export default [theLastHourIsDrawn];
