// Fields are written as an object and sent as a list of pairs.
export function logAt(write) {
  const at = (level) => (message, fields = {}) =>
    write(level, message, Object.entries(fields).map(([name, value]) => [name, String(value)]));
  return { trace: at("trace"), debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
