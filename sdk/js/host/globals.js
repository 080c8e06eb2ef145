// Names that every JavaScript engine knows except QuickJS. Only those that a hook uses end up in its component.
import { log } from "./component.js";

const write = (level) => (...values) => log[level](values.map(String).join(" "));

export const console = /* @__PURE__ */ (() => ({
  debug: write("debug"),
  log: write("info"),
  info: write("info"),
  warn: write("warn"),
  error: write("error"),
}))();

// Percent-encoding is the one way to UTF-8 that the language itself offers.
export class TextEncoder {
  encode(text = "") {
    const bytes = encodeURIComponent(text).replace(/%(..)/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
    return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  }
}

export class TextDecoder {
  decode(bytes = new Uint8Array()) {
    return decodeURIComponent(Array.from(bytes, (byte) => "%" + byte.toString(16).padStart(2, "0")).join(""));
  }
}
