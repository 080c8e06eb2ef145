// Makes the journeys of the files that are named, in one browser, and says of the first that fails where it was.
//
//   JOURNEY='{"address": "http://127.0.0.1:8080", …}' node tests/web/run.mjs FILE…
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Window, launch } from './browser.mjs';

const task = JSON.parse(process.env.JOURNEY);
const only = process.env.JOURNEY_ONLY;
const browser = await launch();

try {
    for (const file of process.argv.slice(2)) {
        const { default: journeys } = await import(new URL(`journeys/${file}.mjs`, import.meta.url));
        for (const journey of journeys) {
            if (!only || journey.name === only) await make(`${file}: ${journey.name}`, journey);
        }
    }
} finally {
    await browser.close();
}

async function make(name, journey) {
    const windows = [];
    const open = async (options) => {
        const window = await Window.open(browser, task, options);
        windows.push(window);
        return window;
    };
    const began = Date.now();
    try {
        await journey(open, task);
        windows.forEach((window) => window.check());
    } catch (error) {
        console.error(`${name} failed:\n${error.stack}`);
        for (const window of windows) await describe(window, name);
        process.exitCode = 1;
    }
    for (const window of windows) await window.close();
    console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

/// Where a window stands: other faults, the address, the text, and a picture.
async function describe(window, name) {
    const pages = window.context.pages();
    window.faults.forEach((fault) => console.error(`  also: ${fault}`));
    for (const page of pages) {
        const directory = fileURLToPath(new URL('../.cache/web/failed/', import.meta.url));
        mkdirSync(directory, { recursive: true });
        const picture = `${directory}${name.replaceAll(/\W+/g, '-')}-${pages.indexOf(page)}.png`;
        await page.screenshot({ path: picture, fullPage: true }).catch(() => undefined);
        const text = await page.innerText('body').catch(() => 'no page');
        console.error(`--- ${page.url()} (${picture})\n${text.slice(0, 3000)}\n---`);
    }
}
