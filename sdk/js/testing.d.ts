import type { Account, Connection, Conversation, FileAction, LoginAttempt, Session } from "./index.js";

/** What the fakes remember: the log that a hook wrote, the keys that it set. */
export const server: {
  config: Record<string, unknown>;
  secrets: Record<string, string>;
  kv: Map<string, Uint8Array>;
  log: { level: string; message: string; fields: Record<string, string> }[];
};

/** Forgets everything, and then offers this configuration and these secrets. */
export function reset(offer?: { config?: Record<string, unknown>; secrets?: Record<string, string> }): void;

/** A handle as the server hands it over: `handle({ username: "eve" }).username()` is "eve". */
export function handle(answers: Record<string, unknown>): any;
/** An attempt to log in. The password is at the same time the only hash that matches it. */
export function loginAttempt(answers: { username: string; password?: string } & Record<string, unknown>): LoginAttempt;
export function connection(answers?: Record<string, unknown>): Connection;
export function session(answers: { username: string } & Record<string, unknown>): Session;
export function account(answers?: Record<string, unknown>): Account;
export function fileAction(answers?: Record<string, unknown>): FileAction;
/** Answers each round with the next list; without any, the client has gone away. */
export function conversation(script?: { answers?: string[][]; always?: string; password?: string }): Conversation;
/** What the server would call the hook of that name with, about this user. */
export function madeUp(name: string, details: { username: string; password?: string }): any;
/** The name of the verdict; `told` for hooks that have none, `failed` if the hook threw. */
export function verdictOf(call: () => unknown): string;
