// Measurements of the pages, with Lighthouse and with requests.
import { createRequire } from 'node:module';
import { writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { furnish, pages } from './pages.mjs';
import { Rest } from './rest.mjs';
import { MadeUpServer, PASSWORD } from './server.mjs';

const RUNS = 5;
const USERS = 100_000;
/// Requests for the first page of all users.
const REQUESTS = 50;
const require = createRequire(new URL('../.cache/lighthouse/', import.meta.url));
const imported = (name) => import(pathToFileURL(require.resolve(name)));

/// Of those that could be measured.
function median(numbers) {
    const sorted = numbers.filter(Number.isFinite).toSorted((one, other) => one - other);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const parts = process.argv.slice(2);
const server = await MadeUpServer.start();
try {
    const rest = await Rest.logIn(server.address, 'root', PASSWORD);
    await rest.user('ada');
    await server.sftpDone('ada', 'wrong', 'pwd\n');
    const run = await furnish(rest);
    const cookie = await logIn();
    const found = ['/web/login', ...pages(run).map(([path]) => path)];
    await measurePages(found.filter((path) => parts.length === 0 || parts.some((part) => path.includes(part))), cookie);
    await measureUsers(cookie);
} finally {
    await server.stop();
}

async function logIn() {
    const body = new URLSearchParams({ username: 'root', password: PASSWORD });
    const answer = await fetch(`${server.address}/web/login`, { method: 'POST', body, headers: { origin: server.address }, redirect: 'manual' });
    return answer.headers.get('set-cookie').split(';')[0];
}

async function measurePages(paths, cookie) {
    const { default: lighthouse } = await imported('lighthouse');
    const { launch } = await imported('chrome-launcher');
    const chrome = await launch({ chromePath: '/usr/bin/chromium', chromeFlags: ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage'] });
    try {
        console.log('| page | accessibility | best practices | performance | interactive, ms | bytes |\n| --- | ---: | ---: | ---: | ---: | ---: |');
        for (const path of paths) {
            const found = [];
            for (let round = 0; round < RUNS; round += 1) found.push(await once(lighthouse, chrome.port, path, path === '/web/login' ? {} : { Cookie: cookie }));
            const middle = (what) => Math.round(median(found.map((one) => one[what])));
            console.log(`| ${path} | ${middle('accessibility')} | ${middle('practices')} | ${middle('performance')} | ${middle('interactive')} | ${middle('bytes')} |`);
        }
    } finally {
        chrome.kill();
    }
}

async function once(lighthouse, port, path, extraHeaders) {
    const { lhr } = await lighthouse(`${server.address}${path}`, {
        port,
        extraHeaders,
        logLevel: 'error',
        onlyCategories: ['accessibility', 'best-practices', 'performance'],
        formFactor: 'desktop',
        screenEmulation: { disabled: true },
        // As it is on this machine, without an imagined network.
        throttlingMethod: 'provided',
    });
    const score = (category) => (lhr.categories[category].score ?? 0) * 100;
    const requests = lhr.audits['network-requests'].details.items;
    return {
        accessibility: score('accessibility'),
        practices: score('best-practices'),
        performance: score('performance'),
        interactive: lhr.audits.interactive?.numericValue ?? Number.NaN,
        bytes: requests.reduce((sum, request) => sum + (request.transferSize ?? 0), 0),
    };
}

async function measureUsers(cookie) {
    const hash = JSON.parse(await server.run('dump')).users[0].password;
    const users = Array.from({ length: USERS }, (_, number) => {
        const username = `u${String(number).padStart(6, '0')}`;
        return { username, password: hash, status: 1, home_dir: `/srv/${username}`, permissions: { '/': ['*'] } };
    });
    const file = `${server.directory}/users.json`;
    await writeFile(file, JSON.stringify({ users }));
    await server.run('load', file);
    const times = [];
    for (let number = 0; number < REQUESTS; number += 1) {
        const began = performance.now();
        const answer = await fetch(`${server.address}/web/users`, { headers: { cookie } });
        await answer.text();
        times.push(performance.now() - began);
    }
    console.log(`\nThe first page of ${USERS} users: ${median(times).toFixed(1)} ms from the request to the last byte, median of ${REQUESTS}.`);
}
