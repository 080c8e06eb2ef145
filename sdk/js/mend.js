// Works around one fault of componentize-qjs 0.4.3 to 0.4.5 with `sync`.
//
// Its runtime keeps every borrowed argument until the post-return function, where the component model
// no longer allows a handle to be dropped; the host has already refused the call by then. An argument
// that is pushed as if it were owned is dropped in time: by the entry module, or as soon as nothing in
// JavaScript refers to it. Both functions of the runtime take the same parameters, and a handle is
// dropped by the same instruction whether it is owned or borrowed. So let the name of the one lead to
// the other.

const FAULTY = "wit_dylib_push_borrow";
const SOUND = "wit_dylib_push_own";
const CORE_MODULE = 1;
const NESTED_COMPONENT = 4;
const EXPORTS_OF_A_CORE_MODULE = 7;
const PREAMBLE = 8;

/** Changes the bytes of a component in place. Throws if they are not what this version is known to make. */
export function mend(component) {
  const runtimes = [...coreModules(component)].map(exportsOf).filter((names) => names.has(FAULTY));
  if (runtimes.length !== 1 || !runtimes[0].has(SOUND)) {
    throw new Error("this is not the runtime of componentize-qjs that mend.js knows");
  }
  const faulty = runtimes[0].get(FAULTY);
  const sound = runtimes[0].get(SOUND);
  if (faulty.length !== sound.length) {
    throw new Error("the two function indexes are not written with the same number of bytes");
  }
  faulty.set(sound);
  return component;
}

function* coreModules(component) {
  for (const { kind, content } of sections(component)) {
    if (kind === CORE_MODULE) {
      yield content;
    } else if (kind === NESTED_COMPONENT) {
      yield* coreModules(content);
    }
  }
}

/** The bytes of each exported index, by name, as views into the module. */
function exportsOf(module) {
  const names = new Map();
  for (const { kind, content } of sections(module)) {
    if (kind !== EXPORTS_OF_A_CORE_MODULE) {
      continue;
    }
    const text = new TextDecoder();
    let { value: count, end: position } = number(content, 0);
    for (; count > 0; count -= 1) {
      const length = number(content, position);
      const nameEnd = length.end + length.value;
      const indexStart = nameEnd + 1;
      const indexEnd = number(content, indexStart).end;
      names.set(text.decode(content.subarray(length.end, nameEnd)), content.subarray(indexStart, indexEnd));
      position = indexEnd;
    }
  }
  return names;
}

function* sections(binary) {
  let position = PREAMBLE;
  while (position < binary.length) {
    const { value: size, end } = number(binary, position + 1);
    yield { kind: binary[position], content: binary.subarray(end, end + size) };
    position = end + size;
  }
}

/** An unsigned number in LEB128, as everywhere in WebAssembly. */
function number(bytes, start) {
  let value = 0;
  for (let position = start, factor = 1; ; position += 1, factor *= 128) {
    value += (bytes[position] & 0x7f) * factor;
    if (bytes[position] < 0x80) {
      return { value, end: position + 1 };
    }
  }
}
