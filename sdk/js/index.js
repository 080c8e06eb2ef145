export * from "./verdicts.js";
// The server when this runs as a component, fakes when it runs under Node.
export { AccountDraft, config, kv, log, randomBytes, secrets } from "#host";
