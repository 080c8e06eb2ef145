/// <reference path="./generated/contract.d.ts" />
import type { AccountDraft } from "tidegate:hooks/types@0.1.2";

export * from "./generated/types.js";
export type {
  Account,
  AddressBan,
  Connection,
  CredentialChange,
  FileAction,
  LoginAttempt,
  ObjectChange,
  Session,
  WebRequest,
} from "tidegate:hooks/types@0.1.2";
export type { Conversation } from "tidegate:hooks/conversations@0.1.2";
export { AccountDraft } from "tidegate:hooks/types@0.1.2";
export * as config from "tidegate:hooks/config@0.1.2";
export * as kv from "tidegate:hooks/kv@0.1.2";
export * as secrets from "tidegate:hooks/secrets@0.1.2";

type Write = (message: string, fields?: Record<string, unknown>) => void;
export const log: { trace: Write; debug: Write; info: Write; warn: Write; error: Write };

/** Unpredictable bytes of the server. */
export function randomBytes(count: number): Uint8Array;

type Denial = { reason: string; clientMessage: string | null };

/** Not mine: ask the next one. */
export function defer(): { tag: "defer" };
/** Lets the user in; with a draft, as the account that it describes. */
export function accept(draft?: AccountDraft | null): { tag: "accept"; val: AccountDraft | null };
/** Refuses a login. The reason is for the audit trail; the client never sees it. */
export function reject(reason: string): { tag: "reject"; val: Denial };
export function allow(): { tag: "allow" };
/** Refuses anything but a login. The client sees the second text where the protocol has room for it. */
export function deny(reason: string, clientMessage?: string | null): { tag: "deny"; val: Denial };
/** Leaves the account as it is. */
export function unchanged(): { tag: "unchanged" };
/** The account is to be as the draft describes it. */
export function replace(draft: AccountDraft): { tag: "replace"; val: AccountDraft };
/** Compares another password than the one that was sent with the stored hash. */
export function verify(password: string): { tag: "verify"; val: string };
/** Lets the server check the stored account's password, against this one if it is given. */
export function verifyStored(password?: string | null): { tag: "verify-stored"; val: string | null };
/** Ends the hook without a verdict; the operator's policy for the hook decides what happens then. */
export function fail(message: string, options?: { transient?: boolean }): never;
export class HookFailure extends Error {
  constructor(message: string, transient: boolean);
  transient: boolean;
}
