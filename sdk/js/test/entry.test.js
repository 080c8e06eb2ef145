import assert from "node:assert/strict";
import { test } from "node:test";
import { guard } from "../entry.js";
import { allow, fail } from "../index.js";

// Node learned this symbol later than QuickJS.
Symbol.dispose ??= Symbol("Symbol.dispose");

const lent = () => {
  const handle = { given: 0, [Symbol.dispose]: () => (handle.given += 1) };
  return handle;
};

test("every handle is given back, also when the hook throws", () => {
  for (const hook of [allow, () => fail("no")]) {
    const [plain, inside] = [lent(), lent()];
    try {
      guard(hook)(plain, null, { tag: "ok", val: inside }, "text", 1);
    } catch {
      // The failure itself is the matter of the next test.
    }
    assert.deepEqual([plain.given, inside.given], [1, 1]);
  }
});

test("whatever is thrown becomes a failure", () => {
  const thrown = (error) => {
    try {
      guard(() => { throw error; })();
    } catch (failure) {
      return failure;
    }
  };
  const refusal = Object.assign(new Error(), { payload: { tag: "not-granted", val: "credentials" } });
  assert.deepEqual(thrown(refusal), { message: "not-granted: credentials", transient: false });
  assert.match(thrown(new TypeError("null has no name")).message, /^TypeError: null has no name/);
  assert.throws(guard(() => fail("later", { transient: true })), { message: "later", transient: true });
  assert.throws(guard(async () => allow()), { message: /cannot be async/ });
});
