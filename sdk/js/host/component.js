// What the server offers. Each in a file of its own, so that the bundler leaves out those that a hook does not use:
// what a component imports shows what it needs.
export { AccountDraft } from "tidegate:hooks/types@0.1.2";
export { config } from "./config.js";
export { kv } from "./kv.js";
export { randomBytes } from "./random.js";
export { secrets } from "./secrets.js";
import { log as write } from "tidegate:hooks/log@0.1.2";
import { logAt } from "./log.js";

export const log = /* @__PURE__ */ logAt(write);
