// One-time codes of RFC 6238, as an authenticator makes them.
import { createHmac } from 'node:crypto';

const PERIOD = 30_000;

/// The code of an `otpauth:` address. `later`: of so many periods after this one.
export function codeOf(url, later = 0) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / PERIOD) + later));
    const digest = createHmac('sha1', bytesOf(new URL(url).searchParams.get('secret'))).update(counter).digest();
    const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fff_ffff;
    return String(number % 1_000_000).padStart(6, '0');
}

function bytesOf(base32) {
    const bits = [...base32.replaceAll('=', '')].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'));
    return Buffer.from(bits.join('').match(/.{8}/g).map((octet) => Number.parseInt(octet, 2)));
}
