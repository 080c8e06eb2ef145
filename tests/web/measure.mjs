// Measurements of the pages, with Lighthouse and with requests.
import { createRequire } from 'node:module';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { OpenPage } from './open_page.mjs';
import { furnish, pages } from './pages.mjs';
import { Rest } from './rest.mjs';
import { MadeUpServer, PASSWORD } from './server.mjs';

const RUNS = 5;
const USERS = 100_000;
/// Requests for the first page of all users.
const REQUESTS = 50;
const LIVE_PAGES = 200;
/// The sessions that the live pages are divided among: those of one session share more than those of many.
const LIVE_SESSIONS = [1, 20, LIVE_PAGES];
const LIVE_SECONDS = 20;
const LIVE_BYTES = 400_000_000;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
const require = createRequire(new URL('../.cache/lighthouse/', import.meta.url));
const imported = (name) => import(pathToFileURL(require.resolve(name)));

/// Of those that could be measured.
function median(numbers) {
    const sorted = numbers.filter(Number.isFinite).toSorted((one, other) => one - other);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const PARTS = ['--pages', '--live', '--users'];
const named = process.argv.slice(2);
const parts = named.filter((part) => !PARTS.includes(part));
const isWanted = (part) => !named.some((part) => PARTS.includes(part)) || named.includes(part);
const server = await MadeUpServer.start();
try {
    const rest = await Rest.logIn(server.address, 'root', PASSWORD);
    await rest.user('ada');
    await server.sftpDone('ada', 'wrong', 'pwd\n');
    const run = await furnish(rest);
    const cookie = await logIn();
    const found = ['/web/login', ...pages(run).map(([path]) => path)];
    if (isWanted('--pages')) await measurePages(found.filter((path) => parts.length === 0 || parts.some((part) => path.includes(part))), cookie);
    if (isWanted('--live')) await measureLive(rest);
    if (isWanted('--users')) await measureUsers(cookie);
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
        const blank = await blankPage();
        const asked = [['a page with one word', blank.address, {}], ...paths.map((path) => [path, `${server.address}${path}`, path === '/web/login' ? {} : { Cookie: cookie }])];
        for (const [path, address, headers] of asked) {
            const found = [];
            for (let round = 0; round < RUNS; round += 1) found.push(await once(lighthouse, chrome.port, address, headers));
            const middle = (what) => Math.round(median(found.map((one) => one[what])));
            console.log(`| ${path} | ${middle('accessibility')} | ${middle('practices')} | ${middle('performance')} | ${middle('interactive')} | ${middle('bytes')} |`);
        }
        blank.close();
    } finally {
        chrome.kill();
    }
}

/// A server of a page with one word and nothing else: what the browser takes for any page on this machine.
async function blankPage() {
    const web = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><html lang="en"><title>One</title><p>One</p></html>'));
    await new Promise((resolve) => web.listen(0, '127.0.0.1', resolve));
    return { address: `http://127.0.0.1:${web.address().port}/`, close: () => web.close() };
}

async function once(lighthouse, port, address, extraHeaders) {
    const { lhr } = await lighthouse(address, {
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

/// What open live pages cost the server, and a transfer beside them. The client and the pages run on the same machine.
async function measureLive(rest) {
    const large = `${server.directory}/large`;
    await writeFile(large, Buffer.alloc(LIVE_BYTES, 7));
    for (const name of ['one', 'two', 'three', 'fast']) {
        const home = `${server.directory}/homes/${name}`;
        await mkdir(home, { recursive: true });
        await rest.user(name, { home_dir: home });
    }
    // What they show changes all the time, so that a page is sent something new each time.
    for (const name of ['one', 'two', 'three']) await server.sftp(name, 'pw', `put ${large} /slow\n`, { kilobits: 800 });
    const cookies = [];
    while (cookies.length < Math.max(...LIVE_SESSIONS)) cookies.push(await logIn());
    await sleep(3000);
    const idle = await share(LIVE_SECONDS);
    console.log(`\nThree slow uploads, without any page: ${percent(idle)} of a core.`);
    const put = async () => {
        const began = performance.now();
        await server.sftpDone('fast', 'pw', `put ${large} /a\n`);
        return performance.now() - began;
    };
    const alone = [];
    for (let round = 0; round < RUNS; round += 1) alone.push(await put());
    for (const sessions of LIVE_SESSIONS) {
        const pages = openPages(cookies.slice(0, sessions));
        await measurePagesOf(sessions, pages);
        const beside = [];
        for (let round = 0; round < RUNS; round += 1) beside.push(await put());
        for (const page of pages) page.close();
        const [without, withThem] = [median(alone), median(beside)];
        console.log(`An upload of ${LIVE_BYTES / 1e6} MB beside them: ${(withThem / 1000).toFixed(2)} s, without them ${(without / 1000).toFixed(2)} s (${percent(withThem / without - 1)}), medians of ${RUNS}.`);
    }
}

/// The live pages, which ask one after the other; each session has as many of them, and its own are spread over the two seconds as well.
function openPages(cookies) {
    return Array.from({ length: LIVE_PAGES }, (_, number) => new OpenPage(server.address, '/web/connections?part=table', cookies[number % cookies.length], (2000 * number) / LIVE_PAGES));
}

async function measurePagesOf(sessions, pages) {
    await sleep(3000);
    const counted = () => pages.reduce((sum, { answers, bytes }) => ({ answers: sum.answers + answers, bytes: sum.bytes + bytes }), { answers: 0, bytes: 0 });
    const [before, ownBefore] = [counted(), process.cpuUsage()];
    const live = await share(LIVE_SECONDS);
    const [after, own] = [counted(), process.cpuUsage(ownBefore)];
    const rate = (after.answers - before.answers) / LIVE_SECONDS;
    const bytes = (after.bytes - before.bytes) / (after.answers - before.answers);
    console.log(`\n${pages.length} live pages of connections in ${sessions} session(s), ${rate.toFixed(0)} requests a second with ${bytes.toFixed(0)} bytes each: ${percent(live)} of a core with the uploads.`);
    console.log(`The pages themselves took ${percent((own.user + own.system) / 1e6 / LIVE_SECONDS)}.`);
}

function percent(part) {
    return `${(part * 100).toFixed(1)} %`;
}

/// The part of a core that the server takes.
async function share(seconds) {
    const used = async () => {
        const fields = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).split(') ')[1].split(' ');
        return Number(fields[11]) + Number(fields[12]);
    };
    const before = await used();
    await sleep(seconds * 1000);
    // Ticks of a hundredth of a second (proc(5)).
    return ((await used()) - before) / 100 / seconds;
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
