// Every page in a narrow, a usual and a very wide window, in both themes.
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

export default [everyPageFits];
