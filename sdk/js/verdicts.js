// What hooks answer with. Which hook knows which verdict stands in the types.

/** Not mine: ask the next one. */
export const defer = () => ({ tag: "defer" });

/** Lets the user in; with a draft, as the account that it describes. */
export const accept = (draft = null) => ({ tag: "accept", val: draft });

/** Refuses a login. The reason is for the audit trail; the client never sees it. */
export const reject = (reason) => ({ tag: "reject", val: denial(reason) });

export const allow = () => ({ tag: "allow" });

/** Refuses anything but a login. The client sees the second text where the protocol has room for it. */
export const deny = (reason, clientMessage = null) => ({ tag: "deny", val: denial(reason, clientMessage) });

/** Leaves the account as it is. */
export const unchanged = () => ({ tag: "unchanged" });

/** The account is to be as the draft describes it. */
export const replace = (draft) => ({ tag: "replace", val: draft });

/** Compares another password than the one that was sent with the stored hash. */
export const verify = (password) => ({ tag: "verify", val: password });

/** Lets the server check the stored account's password, against this one if it is given. */
export const verifyStored = (password = null) => ({ tag: "verify-stored", val: password });

/** Ends the hook without a verdict; the operator's policy for the hook decides what happens then. */
export function fail(message, { transient = false } = {}) {
  throw new HookFailure(message, transient);
}

export class HookFailure extends Error {
  constructor(message, transient) {
    super(message);
    this.name = "HookFailure";
    this.transient = transient;
  }
}

function denial(reason, clientMessage = null) {
  return { reason, clientMessage };
}
