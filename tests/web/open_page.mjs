// A live page that stays open: it asks for its part every two seconds, on a connection of its own, and says what it
// has, as a browser does. It takes as little of the machine as it can.
import { connect } from 'node:net';

const EVERY = 2000;

export class OpenPage {
    answers = 0;
    bytes = 0;
    #tag = '';
    #said = '';

    /// `later`: milliseconds until it asks first.
    constructor(address, path, cookie, later) {
        const { hostname, host, port } = new URL(address);
        this.head = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\ncookie: ${cookie}\r\nhx-request: true\r\naccept-encoding: gzip\r\nsec-fetch-site: same-origin\r\n`;
        this.socket = connect(Number(port), hostname);
        this.socket.setEncoding('latin1');
        this.socket.on('data', (text) => this.#take(text));
        this.socket.on('error', (error) => {
            throw error;
        });
        this.timer = setTimeout(() => this.#ask(), later);
    }

    #ask() {
        this.asked = performance.now();
        this.socket.write(`${this.head}${this.#tag}\r\n`);
    }

    #take(text) {
        this.bytes += text.length;
        this.#said += text;
        const end = this.#said.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = this.#said.slice(0, end);
        const status = head.slice(9, 12);
        if (status !== '200' && status !== '304') throw new Error(head);
        const length = status === '200' ? Number(/^content-length: (\d+)/im.exec(head)[1]) : 0;
        if (this.#said.length < end + 4 + length) return;
        const tag = /^etag: (.+)$/im.exec(head)?.[1];
        this.#tag = tag ? `if-none-match: ${tag.trim()}\r\n` : '';
        this.#said = '';
        this.answers += 1;
        this.timer = setTimeout(() => this.#ask(), EVERY - (performance.now() - this.asked));
    }

    close() {
        clearTimeout(this.timer);
        this.socket.destroy();
    }
}
