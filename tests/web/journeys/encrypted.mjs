// Over TLS, where the cookie has the prefix that binds it to the host.
import assert from 'node:assert/strict';

async function logIn(open, { password }) {
    const window = await open({ ignoreHTTPSErrors: true });
    await window.logIn('root', password);
    await window.visit('/web');
    const cookies = await window.context.cookies();
    assert.deepEqual(cookies.map((cookie) => [cookie.name, cookie.secure, cookie.httpOnly]), [['__Host-tidegate', true, true]]);
    await window.page.getByRole('button', { name: 'Log out' }).click();
    await window.page.waitForURL('**/web/login?done=logged-out');
    assert.deepEqual(await window.context.cookies(), []);
}

export default [logIn];
