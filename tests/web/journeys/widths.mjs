// Every page in a narrow, a usual and a very wide window, in both themes.
import assert from 'node:assert/strict';
import { Rest } from '../rest.mjs';
import { OF_STRANGERS, furnish, pages } from '../pages.mjs';

async function everyPageFits(open, { address, password }) {
    const rest = await Rest.logIn(address, 'root', password);
    const all = pages(await furnish(rest));
    const window = await open({ colorScheme: 'dark' });
    const { page } = window;
    await window.logIn('root', password);
    for (const path of [...OF_STRANGERS, ...all.map(([path]) => path)]) {
        await page.emulateMedia({ colorScheme: 'dark' });
        await page.setViewportSize({ width: 2560, height: 1440 });
        await window.visit(path, ['color-contrast']);
        await page.emulateMedia({ colorScheme: 'light' });
        await page.setViewportSize({ width: 360, height: 740 });
        await window.look();
    }
}

/// Dark where the system is, and light where it is light.
async function theThemeIsThatOfTheSystem(open) {
    const window = await open();
    const { page } = window;
    await window.visit('/web/login');
    const brightness = async (colorScheme, property) => {
        await page.emulateMedia({ colorScheme });
        const colour = await page.evaluate((property) => getComputedStyle(document.body)[property], property);
        return colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
    };
    for (const [colorScheme, isDark] of [['light', false], ['dark', true], ['light', false]]) {
        const [back, front] = [await brightness(colorScheme, 'backgroundColor'), await brightness(colorScheme, 'color')];
        assert.ok(isDark ? back < 64 && front > 192 : back > 192 && front < 64, `${colorScheme}: ${back} ${front}`);
    }
}

export default [theThemeIsThatOfTheSystem, everyPageFits];
