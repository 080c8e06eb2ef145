// With the keyboard alone: logging in, past the menu, through a page in its order, and a change.
import assert from 'node:assert/strict';
import { focused, inItsOrder, pressTo, tabTo } from '../focus.mjs';
import { OF_STRANGERS } from '../pages.mjs';
import { Rest } from '../rest.mjs';

async function logIn(window, password) {
    const { page } = window;
    await page.goto(`${window.origin}/web/login`);
    assert.equal((await focused(page)).name, 'username', 'the first field has the focus');
    await page.keyboard.type('root');
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/web');
}

async function pastTheMenuAndThroughAPage(open, { password }) {
    const window = await open();
    const { page } = window;
    await logIn(window, password);
    await page.keyboard.press('Tab');
    const skip = await focused(page);
    assert.match(skip.text, /Skip/);
    assert.ok(skip.isInSight && skip.isOutlined, 'the link past the menu is shown where it is focused');
    await page.keyboard.press('Enter');
    await page.goto(`${window.origin}/web/users/new`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.querySelector('main').contains(document.activeElement)), 'it leads past the menu');

    for (const path of ['/web/users', '/web/connections?live=0', '/web/keys', '/web/hooks']) {
        assert.equal(await inItsOrder(window, path), 0, 'the focus begins at the top');
    }
}

async function throughThePagesOfStrangers(open) {
    const window = await open();
    for (const path of OF_STRANGERS) assert.ok((await inItsOrder(window, path)) > 0, `${path}: the first field has the focus`);
}

async function aChangeOfAnAccount(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('typed');
    const window = await open();
    const { page } = window;
    await logIn(window, password);
    const press = (key, address) => pressTo(page, key, address);
    await tabTo(page, (found) => found.text === 'Users');
    await press('Enter', '**/web/users');
    await tabTo(page, (found) => found.name === 'search');
    await page.keyboard.type('typed');
    await page.waitForFunction(() => document.querySelectorAll('#users tbody tr').length === 1);
    await tabTo(page, (found) => found.tag === 'A' && found.text === 'typed');
    await press('Enter', '**/web/users/show?name=typed');
    await tabTo(page, (found) => found.text === 'Edit');
    await press('Enter', '**/web/users/edit?name=typed');
    await tabTo(page, (found) => found.name === 'description');
    await page.keyboard.type('by the keyboard');
    await tabTo(page, (found) => found.tag === 'SUMMARY');
    const isOpen = () => page.evaluate(() => document.activeElement.parentElement.open);
    const before = await isOpen();
    await page.keyboard.press('Enter');
    assert.equal(await isOpen(), !before, 'a group is folded by the keyboard');
    await tabTo(page, (found) => found.tag === 'BUTTON' && found.text === 'See the difference');
    await page.keyboard.press('Enter');
    await page.locator('#difference').waitFor();
    await tabTo(page, (found) => found.tag === 'BUTTON' && found.text === 'Save');
    await press('Enter', '**done=saved');
    assert.equal((await rest.get('v2/users/typed')).description, 'by the keyboard');
    await tabTo(page, (found) => found.id === 'log-out');
    await press('Enter', '**done=logged-out');
}

export default [pastTheMenuAndThroughAPage, throughThePagesOfStrangers, aChangeOfAnAccount];
