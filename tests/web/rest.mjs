// The server over REST, for what a journey finds there when it begins, and what it has left there.
import assert from 'node:assert/strict';

export class Rest {
    static async logIn(address, name, password) {
        const basic = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
        const rest = new Rest();
        rest.address = address;
        const answer = await fetch(`${address}/api/v2/token`, { headers: { authorization: basic } });
        assert.equal(answer.status, 200, 'a token');
        rest.headers = { authorization: `Bearer ${(await answer.json()).access_token}`, 'content-type': 'application/json' };
        return rest;
    }

    async ask(method, path, document) {
        const body = document === undefined ? undefined : JSON.stringify(document);
        const answer = await fetch(`${this.address}/api/${path}`, { method, headers: this.headers, body });
        const text = await answer.text();
        assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
        return text === '' ? null : JSON.parse(text);
    }

    get(path) {
        return this.ask('GET', path);
    }

    add(path, document) {
        return this.ask('POST', path, document);
    }

    user(username, more = {}) {
        const document = { username, password: 'pw', status: 1, home_dir: `/srv/${encodeURIComponent(username).slice(0, 200)}`, permissions: { '/': ['*'] } };
        return this.add('v2/users', { ...document, ...more });
    }

    admin(username, permissions, more = {}) {
        return this.add('v2/admins', { username, password: 'pw', status: 1, permissions, ...more });
    }
}
