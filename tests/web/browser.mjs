// A browser, and what has to hold on every page that a journey comes to: no message in the console, no report of the
// content security policy, no request to another host, nothing that axe finds, nothing that is wider than the window.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../.cache/web/', import.meta.url));
const { chromium } = require('playwright-core');
const axe = require('axe-core');

/// What takes longer hangs. Nothing that works comes near it, however busy the machine is.
export const PATIENCE = 60_000;
/// Leads to the server by a name that is not of this machine.
export const ELSEWHERE = 'files.example';

/// What `look` finds, once it finds something.
export async function eventually(what, look) {
    for (const until = Date.now() + PATIENCE; Date.now() < until; ) {
        const found = await look();
        if (found) return found;
    }
    throw new Error(`${what}: not within ${PATIENCE / 1000} s`);
}

export function launch() {
    return chromium.launch({
        // Debian's Chromium without the parts for a screen: half of the work of the whole browser.
        executablePath: '/usr/bin/chromium-headless-shell',
        args: [
            '--no-sandbox',
            '--disable-dev-shm-usage',
            // What the browser itself would like to fetch finds nothing.
            `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost`,
        ],
    });
}

/// One window of one administrator, with cookies of its own.
export class Window {
    /// `task`: where the server is. `options`: of the context, such as `viewport`, and `origin` in the place of the task's.
    static async open(browser, task, { origin = task.address, ...options } = {}) {
        // Colours are looked at as they are in the end.
        const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce', ...options });
        context.setDefaultTimeout(PATIENCE);
        const window = new Window();
        Object.assign(window, { context, origin, task, faults: [], statuses: new Set(), hasScript: options.javaScriptEnabled !== false });
        await context.addInitScript(() => {
            document.addEventListener('securitypolicyviolation', (event) => {
                console.error(`the policy forbids ${event.blockedURI} (${event.effectiveDirective})`);
            });
        });
        window.page = await context.newPage();
        window.listen();
        return window;
    }

    /// Another page of the same administrator.
    async second() {
        const window = Object.assign(new Window(), this, { faults: [], statuses: new Set() });
        window.page = await this.context.newPage();
        window.listen();
        return window;
    }

    listen() {
        const { page, faults } = this;
        page.on('console', (message) => {
            // The status says this already.
            if (!message.text().startsWith('Failed to load resource: the server responded with a status of')) {
                faults.push(`console: ${message.type()}: ${message.text()} at ${page.url()}`);
            }
        });
        page.on('pageerror', (error) => faults.push(`script: ${error.message} at ${page.url()}`));
        page.on('dialog', (dialog) => {
            faults.push(`dialog: ${dialog.message()} at ${page.url()}`);
            return dialog.dismiss();
        });
        page.on('request', (request) => {
            if (new URL(request.url()).origin !== this.origin) faults.push(`request to another host: ${request.url()}`);
        });
        page.on('response', (response) => {
            if (response.status() >= 400 && !this.statuses.has(response.status())) {
                faults.push(`${response.status()} for ${response.request().method()} ${response.url()}`);
            }
        });
    }

    /// Does what is answered with that status, which is a fault otherwise.
    async expecting(status, action) {
        this.statuses.add(status);
        const [response] = await Promise.all([
            this.page.waitForResponse((response) => response.status() === status),
            action(),
        ]);
        await this.page.waitForLoadState();
        this.statuses.delete(status);
        return response;
    }

    /// Goes to a page that is there, and looks at it.
    async visit(path, rules) {
        await this.page.goto(this.origin + path);
        await this.look(rules);
    }

    /// What holds on every page holds on this one. `rules`: axe's, if not all of them.
    async look(rules) {
        const { page, faults } = this;
        const at = `${page.url()} ${JSON.stringify(page.viewportSize())}`;
        if (this.hasScript) {
            for (const text of await violations(page, rules)) faults.push(`axe: ${text} at ${at}`);
            const wide = await page.evaluate(widerThanWindow);
            if (wide) faults.push(`wider than the window: ${wide} at ${at}`);
            const broken = await page.evaluate(brokenWords);
            if (broken.length > 0) faults.push(`words are broken in a table: ${broken} at ${at}`);
        }
        this.check();
    }

    /// Fails if anything was found.
    check() {
        if (this.faults.length > 0) throw new Error(this.faults.splice(0).join('\n'));
    }

    async logIn(name, password, code = '') {
        await this.page.goto(`${this.origin}/web/login`);
        await this.fillLogIn(name, password, code);
        await this.page.waitForURL((url) => !url.pathname.startsWith('/web/login'));
    }

    async fillLogIn(name, password, code = '') {
        const { page } = this;
        await page.getByLabel('Username').fill(name);
        await page.getByLabel('Password').fill(password);
        await page.getByLabel('One-time code').fill(code);
        await page.getByRole('button', { name: 'Log in' }).click();
    }

    /// Presses a button or follows a link of the main part that leads to another page.
    async press(name) {
        const named = { name, exact: typeof name === 'string' };
        const main = this.page.getByRole('main');
        await this.leave(() => main.getByRole('button', named).or(main.getByRole('link', named)).first().click());
    }

    /// Does what leads to another page, and waits until that is there: a busy browser has the old one for a while.
    async leave(action) {
        await Promise.all([this.page.waitForNavigation(), action()]);
    }

    heading() {
        return this.page.getByRole('heading', { level: 1 }).textContent();
    }

    /// The text of the page, as far as it is for reading.
    text() {
        return this.page.getByRole('main').innerText();
    }

    close() {
        return this.context.close();
    }
}

async function violations(page, rules) {
    if (!(await page.evaluate('typeof axe === "object"'))) await page.evaluate(axe.source);
    const options = { resultTypes: ['violations'], ...(rules ? { runOnly: rules } : { rules: { 'target-size': { enabled: true } } }) };
    const found = await page.evaluate((options) => axe.run(document, options), options);
    const places = (nodes) => nodes.slice(0, 3).map((node) => `${node.target} (${node.failureSummary.replaceAll(/\s+/g, ' ')})`);
    return found.violations.map(({ id, nodes }) => `${id}: ${places(nodes).join('; ')}`);
}

function widerThanWindow() {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return '';
    const widest = [...document.querySelectorAll('main *, header *, nav *')].find(
        (element) => element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest('.scroll'),
    );
    return `${root.scrollWidth} > ${root.clientWidth}, ${widest?.outerHTML.slice(0, 200)}`;
}

/// Words of usual length in tables that do not stand on one line.
function brokenWords() {
    const broken = new Set();
    for (const cell of document.querySelectorAll('th, td')) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const text = texts.currentNode;
            for (const { 0: word, index } of text.data.matchAll(/(?<=^|\s)\p{L}{2,16}(?=\s|$)/gu)) {
                const range = document.createRange();
                range.setStart(text, index);
                range.setEnd(text, index + word.length);
                if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.add(word);
            }
        }
    }
    return [...broken];
}
