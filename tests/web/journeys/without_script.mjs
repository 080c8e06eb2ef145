// In a browser that runs no script, forms are enough: logging in, finding, changing and adding accounts.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';

async function formsAreEnough(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('plain', { description: 'before' });
    const window = await open({ javaScriptEnabled: false });
    const { page } = window;
    const field = (name) => page.locator(`[name="${name}"]:not([type="hidden"])`);
    await window.visit('/web/login');
    await window.expecting(401, () => window.fillLogIn('root', 'wrong'));
    await window.fillLogIn('root', password);
    await page.waitForURL('**/web');
    await page.getByRole('link', { name: 'Users', exact: true }).click();
    await page.getByLabel('Search').fill('pla');
    await window.press('Search');
    assert.equal(await page.locator('#users tbody tr').count(), 1);
    await window.press('plain');
    await window.press('Edit');
    await field('description').fill('after');
    await window.press('See the difference');
    assert.match(await page.locator('#difference').innerText(), /before\s+after/);
    await window.press('Save');
    assert.match(await window.text(), /were saved/);
    assert.equal((await rest.get('v2/users/plain')).description, 'after');
    await window.visit('/web/users/new');
    await field('username').fill('second');
    await field('password').fill('pw');
    await field('home_dir').fill('/srv/second');
    await window.press('See the difference');
    await window.press('Save');
    assert.equal((await rest.get('v2/users/second')).home_dir, '/srv/second');
    for (const path of ['/web/connections', '/web/runs', '/web/quota', '/web/hooks', '/web/audit']) await window.visit(path);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL('**/web/login?done=logged-out');
    window.check();
}

export default [formsAreEnough];
