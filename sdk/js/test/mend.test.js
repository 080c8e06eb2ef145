import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "../build.js";
import { mend } from "../mend.js";

test("a component that is not from the runtime it knows is refused", () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
  assert.throws(() => mend(empty), /not the runtime/);
});

test("a component is built and mended, and mending it again changes nothing", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mend-"));
  context.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, "hook.js"), "export const loginPre = () => ({ tag: 'allow' });");
  const output = join(directory, "hook.wasm");
  const { hooks, imports } = await build(join(directory, "hook.js"), output);
  assert.deepEqual([hooks, imports], [["loginPre"], ["random"]]);
  const built = await readFile(output);
  assert.deepEqual(mend(Buffer.from(built)), built);
});

test("a name that is no hook is refused", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mend-"));
  context.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, "hook.js"), "export const loginPer = () => ({ tag: 'allow' });");
  await assert.rejects(build(join(directory, "hook.js"), join(directory, "x.wasm")), /loginPer, which is no hook/);
});
