// Makes a component of a script: node build.mjs hook.js guests.wasm
// No WASI feature is needed, so none is imported.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const [script, output] = process.argv.slice(2);
const { component } = await componentize(await readFile(script, "utf8"), {
  witPath: fileURLToPath(new URL("../../wit", import.meta.url)),
  worldName: "external-auth-hook",
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(output, component);
