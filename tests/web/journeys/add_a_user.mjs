// A user is added in the form, and a copy of it is made.
import assert from 'node:assert/strict';

async function inTheForm(open, { password, homes, key }) {
    const window = await open();
    const { page } = window;
    const field = (name) => page.locator(`[name="${name}"]:not([type="hidden"])`);
    await window.logIn('root', password);
    await window.visit('/web/users');
    await window.press('Add a user');
    await window.look();
    await field('username').fill('ada');
    await field('password').fill('pw of ada');
    await field('home_dir').fill('not absolute');
    await field('quota_size').fill('1000000');
    await field('max_sessions').fill('3');
    await field('expiration_date').fill('soon');
    await field('public_keys').fill(key);
    await field('permissions.1.directory').fill('/in');
    for (const may of ['list', 'upload']) await field('permissions.1.may').and(page.locator(`[value="${may}"]`)).check();
    await field('filters.denied_ip').fill('192.0.2.0/24\n198.51.100.1/32');

    // What cannot be read is named at its field, and nothing that was typed is lost but the password.
    await window.expecting(422, () => window.press('See the difference'));
    assert.match(await page.locator('#expiration-date-about').innerText(), /no time such as/);
    assert.equal(await page.locator('[aria-invalid="true"]').count(), 1);
    assert.equal(await field('username').inputValue(), 'ada');
    assert.equal(await field('expiration_date').inputValue(), 'soon');
    await window.look();
    await field('expiration_date').fill('2099-01-02 03:04:05');
    await field('password').fill('pw of ada');
    await window.press('See the difference');
    const shown = await window.text();
    for (const text of ['ada', '192.0.2.0/24', 'a new one', 'quota_size', 'upload']) assert.ok(shown.includes(text), text);
    assert.ok(!shown.includes('pw of ada'), 'the password is not shown');
    await window.look();

    // What the server refuses leads back to the form.
    await window.expecting(422, () => window.press('Save'));
    assert.match(await window.text(), /home_dir/);
    assert.equal(await field('quota_size').inputValue(), '1000000');
    await window.look();
    await field('home_dir').fill(`${homes}/ada`);
    await field('password').fill('pw of ada');
    await window.press('See the difference');
    await window.press('Save');
    assert.match(await window.text(), /was added/);
    assert.match(await window.text(), /SHA256:/);
    await window.look();

    await window.press('Copy…');
    assert.deepEqual([await field('username').inputValue(), await field('public_keys').inputValue()], ['', '']);
    assert.equal(await field('quota_size').inputValue(), '1000000');
    await field('username').fill('grace');
    await field('home_dir').fill(`${homes}/grace`);
    await field('password').fill('pw of grace');
    await window.press('See the difference');
    await window.press('Save');
    assert.equal(await window.heading(), 'User grace');
}

export default [inTheForm];
