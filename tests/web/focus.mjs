// The keyboard's focus: what has it, and where the Tab key leads.
import assert from 'node:assert/strict';

/// What has the focus, how it is shown, and whether it is in sight.
export const focused = (page) =>
    page.evaluate(() => {
        const element = document.activeElement;
        const style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const isOutlined = style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2;
        const isInSight = box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
        return { tag: element.tagName, text: (element.textContent ?? '').trim().slice(0, 60), name: element.name, id: element.id, href: element.href, isOutlined, isInSight };
    });

export async function tabTo(page, wanted) {
    for (let presses = 0; presses < 400; presses += 1) {
        await page.keyboard.press('Tab');
        const found = await focused(page);
        if (wanted(found)) return found;
    }
    throw new Error('no Tab leads there');
}

/// Presses a key that leads to that address.
export async function pressTo(page, key, address) {
    await page.keyboard.press(key);
    await page.waitForURL(address);
    await page.waitForLoadState();
}

/// Every element of the page that takes the focus gets it, once, in the order of the page, and shows it.
export async function inItsOrder(window, path) {
    const { page } = window;
    await page.goto(window.origin + path);
    const { count, first } = await page.evaluate(() => {
        const takes = 'a[href], button, input:not([type="hidden"]), select, textarea, summary, [tabindex="0"]';
        const all = [...document.querySelectorAll(takes)].filter((element) => element.checkVisibility());
        all.forEach((element, index) => element.setAttribute('data-order', index));
        // A form that is all that a page is for may have it from the beginning.
        return { count: all.length, first: document.activeElement === document.body ? 0 : all.indexOf(document.activeElement) + 1 };
    });
    for (let index = first; index < count; index += 1) {
        await page.keyboard.press('Tab');
        const order = await page.evaluate(() => Number(document.activeElement.getAttribute('data-order') ?? -1));
        const shown = await focused(page);
        assert.equal(order, index, `${path}: ${JSON.stringify(shown)}`);
        assert.ok(shown.isOutlined && shown.isInSight, `${path}: ${JSON.stringify(shown)}`);
    }
    window.check();
    return first;
}
