#!/usr/bin/env node
// tidegate-hook HOOK.js OUTPUT.wasm
import { build } from "./build.js";

const [source, output, ...others] = process.argv.slice(2);
if (!output || others.length > 0) {
  console.error("usage: tidegate-hook HOOK.js OUTPUT.wasm");
  process.exit(2);
}
try {
  const { hooks, imports, size } = await build(source, output);
  console.log(`${output}: ${(size / 1e6).toFixed(1)} MB, exports ${hooks.join(", ")}, imports ${imports.join(", ")}`);
} catch (error) {
  console.error(`tidegate-hook: ${error.message}`);
  process.exit(1);
}
