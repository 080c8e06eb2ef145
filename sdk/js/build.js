// Makes a component of a script whose exports are named like hooks.
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";
import { build as bundle } from "esbuild";
import { hooks as known, version } from "./generated/hooks.js";
import { mend } from "./mend.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));

export async function build(source, output) {
  const hooks = await hooksIn(source);
  const { script, imports } = await bundled(entry(source, hooks));
  const component = await made(script, world(hooks, imports));
  await writeFile(output, component);
  return { hooks, imports: imports.map((name) => name.replace(/^.*\/|@.*$/g, "")), size: component.length };
}

/** The exports of the script, all of which have to be hooks: a misspelt one would never be called. */
async function hooksIn(source) {
  const { metafile } = await bundled(`export * from ${JSON.stringify(resolve(source))};`);
  const names = Object.values(metafile.outputs)[0].exports;
  const unknown = names.filter((name) => !(name in known));
  if (unknown.length > 0 || names.length === 0) {
    const complaint = unknown.length > 0 ? `exports ${unknown.join(", ")}, which is no hook` : "exports no hook";
    throw new Error(`${source} ${complaint}; hooks are ${Object.keys(known).join(", ")}`);
  }
  return names;
}

/** The module that the component starts with: each hook as an interface with its one function. */
function entry(source, hooks) {
  const lines = hooks.map((name) => `export const ${name} = { ${known[name].function}: guard(hooks.${name}) };`);
  return [
    `import { guard } from ${JSON.stringify(join(HERE, "entry.js"))};`,
    `import * as hooks from ${JSON.stringify(resolve(source))};`,
    ...lines,
  ].join("\n");
}

async function bundled(contents) {
  const imports = new Set();
  const { outputFiles, metafile } = await bundle({
    stdin: { contents, resolveDir: HERE },
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2023",
    conditions: ["tidegate"],
    logLevel: "silent",
    inject: [join(HERE, "host", "globals.js")],
    plugins: [server()],
  });
  for (const { path } of Object.values(metafile.outputs)[0].imports) {
    imports.add(path);
  }
  return { script: outputFiles[0].text, metafile, imports: [...imports] };
}

/** The interfaces of the server stay imports, and those that nothing uses go. */
function server() {
  return {
    name: "server",
    setup({ onResolve }) {
      onResolve({ filter: /^(tidegate|wasi):/ }, ({ path }) => ({ path, external: true, sideEffects: false }));
    },
  };
}

function world(hooks, imports) {
  const lines = [
    ...imports.map((name) => `import ${name};`),
    ...hooks.map((name) => `export tidegate:hooks/${known[name].interface}@${version};`),
  ];
  return `package local:hook;\nworld hook {\n  ${lines.join("\n  ")}\n}\n`;
}

async function made(script, worldText) {
  const directory = await mkdtemp(join(tmpdir(), "tidegate-hook-"));
  try {
    await writeFile(join(directory, "world.wit"), worldText);
    // In the server's own tree it is a link.
    const plain = { recursive: true, dereference: true, filter: (path) => !path.endsWith("released") };
    await cp(join(HERE, "wit"), join(directory, "deps", "tidegate-hooks"), plain);
    await cp(join(HERE, "wasi"), join(directory, "deps", "wasi-random"), { recursive: true });
    const { component } = await componentize({
      witPath: directory,
      world: "hook",
      jsSource: script,
      sync: true,
    });
    return mend(component);
  } finally {
    await rm(directory, { recursive: true });
  }
}
