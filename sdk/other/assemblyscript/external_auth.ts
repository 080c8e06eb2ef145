// Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
// All other names are left to the next hook.
// Hook point: external-auth, written against the bare contract: see ../README.md. Build: ./build.sh.

// ---- What the server offers, as the canonical ABI has it: a string is an address and a length, and a result that is
// no single number is written to an address that the caller gives.

// @ts-ignore: decorator
@external("tidegate:hooks/types@0.1.2", "[method]login-attempt.username")
declare function username(attempt: i32, text: usize): void;
// @ts-ignore: decorator
@external("tidegate:hooks/types@0.1.2", "[method]login-attempt.password-matches")
declare function passwordMatches(attempt: i32, hash: usize, length: usize, outcome: usize): void;
// @ts-ignore: decorator
@external("tidegate:hooks/types@0.1.2", "[resource-drop]login-attempt")
declare function dropAttempt(attempt: i32): void;
// @ts-ignore: decorator
@external("tidegate:hooks/types@0.1.2", "[constructor]account-draft")
declare function newDraft(name: usize, length: usize): i32;
// @ts-ignore: decorator
@external("tidegate:hooks/types@0.1.2", "[method]account-draft.set-home-directory")
declare function setHomeDirectory(draft: i32, path: usize, length: usize, outcome: usize): void;
// @ts-ignore: decorator
@external("tidegate:hooks/types@0.1.2", "[method]account-draft.set-permissions")
declare function setPermissions(draft: i32, path: usize, length: usize, names: usize, count: usize, outcome: usize): void;
// @ts-ignore: decorator
@external("tidegate:hooks/config@0.1.2", "get")
declare function getConfig(key: usize, length: usize, text: usize): void;

/** UTF-8 somewhere in the memory. */
class Text {
  constructor(public start: usize, public length: usize) {}

  static of(value: string): Text {
    const bytes = String.UTF8.encode(value);
    return new Text(changetype<usize>(bytes), bytes.byteLength);
  }

  /** Where the server wrote it. */
  static at(place: usize): Text {
    return new Text(load<u32>(place), load<u32>(place, 4));
  }

  string(): string {
    return String.UTF8.decodeUnsafe(this.start, this.length);
  }
}

// 28 bytes, in words of four. What the server answers: an error or not, and then the value or the error's text. What the
// hook returns: failed or not; the case of the verdict; the parts of that case. Of a failure: the message, and whether the
// same call may succeed later.
const outcome = heap.alloc(28);

const DEFER = 0;
const ACCEPT = 1;
const REJECT = 3;

function verdict(kind: u32, first: usize = 0, second: usize = 0): usize {
  memory.fill(outcome, 0, 28);
  store<u32>(outcome, kind, 4);
  store<u32>(outcome, first, 8);
  store<u32>(outcome, second, 12);
  return outcome;
}

function reject(reason: string): usize {
  const text = Text.of(reason);
  return verdict(REJECT, text.start, text.length);
}

/** Not a verdict: the server refuses and logs the message. */
function fail(message: Text): usize {
  memory.fill(outcome, 0, 28);
  store<u32>(outcome, 1);
  store<u32>(outcome, message.start, 4);
  store<u32>(outcome, message.length, 8);
  return outcome;
}

function failed(): bool {
  return load<u8>(outcome) == 1;
}

function setting(key: string): Text | null {
  const name = Text.of(key);
  getConfig(name.start, name.length, outcome);
  return failed() ? Text.at(outcome + 4) : null;
}

// ---- What the server calls. Its plain name is enough: `tidegate plugin component` gives it the contract's.

export function external_auth(attempt: i32): usize {
  const answer = decide(attempt);
  // What was lent has to be given back before the end.
  dropAttempt(attempt);
  return answer;
}

function decide(attempt: i32): usize {
  username(attempt, outcome);
  const name = Text.at(outcome);
  if (!name.string().startsWith("guest-")) return verdict(DEFER);
  const hash = setting("password_hash");
  const directory = setting("directory");
  if (hash === null || directory === null) return fail(Text.of("config.password_hash and config.directory are needed"));
  // The server compares, so the plugin needs neither the password nor a grant.
  passwordMatches(attempt, hash.start, hash.length, outcome);
  if (failed() || load<u8>(outcome, 4) == 0) return reject("not the guests' password");
  const draft = newDraft(name.start, name.length);
  setHomeDirectory(draft, directory.start, directory.length, outcome);
  if (failed()) return fail(Text.at(outcome + 4));
  const root = Text.of("/");
  const names = [Text.of("list"), Text.of("download")];
  const list = heap.alloc(8 * names.length);
  for (let index = 0; index < names.length; index++) {
    store<u32>(list + 8 * index, names[index].start);
    store<u32>(list + 8 * index, names[index].length, 4);
  }
  setPermissions(draft, root.start, root.length, list, names.length, outcome);
  if (failed()) return fail(Text.at(outcome + 4));
  return verdict(ACCEPT, 1, draft);
}

// ---- Memory. With `--runtime stub` nothing is ever given back, which is as it should be: an instance serves one login,
// or the file operations of one session.

export function cabi_realloc(old: usize, oldSize: usize, alignment: usize, size: usize): usize {
  const place = heap.alloc(size);
  if (old != 0) memory.copy(place, old, min(oldSize, size));
  return place;
}

/** Instead of the one that imports `env.abort`, which no server has. */
export function aborted(_message: usize, _file: usize, _line: u32, _column: u32): void {
  unreachable();
}
