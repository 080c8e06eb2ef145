// Stands between the server and a hook, in every component.
import { randomBytes } from "#host";
import { fail, HookFailure } from "./verdicts.js";

// The engine was started when the component was built, and every instance would repeat its random numbers.
Math.random = () => randomBytes(6).reduce((sum, byte) => (sum + byte) / 256, 0);

export function guard(hook) {
  return (...handles) => {
    try {
      const answer = hook(...handles);
      if (typeof answer?.then === "function") {
        fail("a hook has to answer at once, so it cannot be async");
      }
      return answer;
    } catch (error) {
      throw failure(error);
    } finally {
      handles.forEach(release);
    }
  };
}

/** Whatever was thrown, as the record that the server expects. */
function failure(error) {
  if (error instanceof HookFailure) {
    return { message: error.message, transient: error.transient };
  }
  // What the server refused is a variant: { tag: "not-granted", val: "credentials" }.
  const refusal = error?.payload;
  if (refusal !== undefined) {
    return { message: refusal.tag ? [refusal.tag, refusal.val].filter(Boolean).join(": ") : String(refusal), transient: false };
  }
  const place = error?.stack?.trim().split("\n", 1)[0].trim() ?? "";
  return { message: `${error} ${place}`.trim(), transient: false };
}

/** A handle is lent for one call: the server refuses the call if it is not given back, whatever still holds it. */
function release(argument) {
  argument?.[Symbol.dispose]?.();
  if (argument?.tag === "ok") {
    release(argument.val);
  }
}
