// With the keyboard alone: logging in, past the menu, through a page in its order, and a change.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';

/// What has the focus, how it is shown, and whether it is in sight.
const focused = (page) =>
    page.evaluate(() => {
        const element = document.activeElement;
        const style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const isOutlined = style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2;
        const isInSight = box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
        return { tag: element.tagName, text: (element.textContent ?? '').trim().slice(0, 60), name: element.name, id: element.id, href: element.href, isOutlined, isInSight };
    });

async function tabTo(page, wanted) {
    for (let presses = 0; presses < 400; presses += 1) {
        await page.keyboard.press('Tab');
        const found = await focused(page);
        if (wanted(found)) return found;
    }
    throw new Error('no Tab leads there');
}

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

    // Every element that takes the focus gets it, once, in the order of the page, and shows it.
    for (const path of ['/web/users', '/web/connections?live=0', '/web/keys', '/web/hooks']) {
        await page.goto(window.origin + path);
        const count = await page.evaluate(() => {
            const takes = 'a[href], button, input:not([type="hidden"]), select, textarea, summary, [tabindex="0"]';
            const all = [...document.querySelectorAll(takes)].filter((element) => element.checkVisibility());
            all.forEach((element, index) => element.setAttribute('data-order', index));
            return all.length;
        });
        const hasFirst = await page.evaluate(() => document.activeElement !== document.body);
        assert.ok(!hasFirst, 'the focus begins at the top');
        for (let index = 0; index < count; index += 1) {
            await page.keyboard.press('Tab');
            const order = await page.evaluate(() => Number(document.activeElement.getAttribute('data-order') ?? -1));
            const shown = await focused(page);
            assert.equal(order, index, `${path}: ${JSON.stringify(shown)}`);
            assert.ok(shown.isOutlined && shown.isInSight, `${path}: ${JSON.stringify(shown)}`);
        }
        window.check();
    }
}

async function aChangeOfAnAccount(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    await rest.user('typed');
    const window = await open();
    const { page } = window;
    await logIn(window, password);
    const press = async (key, address) => {
        await page.keyboard.press(key);
        await page.waitForURL(address);
        await page.waitForLoadState();
    };
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

export default [pastTheMenuAndThroughAPage, aChangeOfAnAccount];
