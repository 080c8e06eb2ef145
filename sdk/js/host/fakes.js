// Stands in for the server when a hook runs under Node. `testing.js` fills it and looks into it.
import { randomBytes as randomBuffer } from "node:crypto";
import { logAt } from "./log.js";

export const state = { config: {}, secrets: {}, kv: new Map(), log: [] };

export const config = {
  get(key) {
    const value = key.split(".").reduce((table, part) => table?.[part], state.config);
    if (value === undefined) {
      return null;
    }
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  },
  toJson: () => JSON.stringify(state.config),
};

export const secrets = {
  get(name) {
    if (!(name in state.secrets)) {
      throw Object.assign(new Error("refused"), { payload: { tag: "not-granted", val: `secrets.${name}` } });
    }
    return state.secrets[name];
  },
};

export const log = logAt((level, message, fields) => {
  state.log.push({ level, message, fields: Object.fromEntries(fields) });
});

export const randomBytes = (count) => new Uint8Array(randomBuffer(count));

/** Nothing expires here: tests that need that take a key away themselves. */
export const kv = {
  get: (key) => state.kv.get(key) ?? null,
  set: (key, value) => void state.kv.set(key, value),
  delete: (key) => void state.kv.delete(key),
  listKeys: (prefix, cursor, limit) =>
    [...state.kv.keys()]
      .filter((key) => key.startsWith(prefix) && (cursor == null || key > cursor))
      .sort()
      .slice(0, limit),
  increment(key, delta) {
    const text = new TextDecoder().decode(state.kv.get(key) ?? new Uint8Array());
    const count = Number(text || "0") + delta;
    state.kv.set(key, new TextEncoder().encode(String(count)));
    return count;
  },
  compareAndSet(key, expected, replacement) {
    const same = String(state.kv.get(key) ?? null) === String(expected ?? null);
    if (same) {
      state.kv.set(key, replacement);
    }
    return same;
  },
};

/** Notes every setting under the name of its setter: `setHomeDirectory(path)` as `settings.homeDirectory`. */
export class AccountDraft {
  constructor(username) {
    this.username = username;
    this.settings = {};
    return new Proxy(this, { get: setterOrProperty });
  }

  static of(account) {
    return new AccountDraft(account.username());
  }

  static fromJson(document) {
    const { username, ...settings } = JSON.parse(document);
    const draft = new AccountDraft(username);
    Object.assign(draft.settings, settings);
    return draft;
  }

  setPermissions(path, permissions) {
    this.settings.permissions = { ...this.settings.permissions, [path]: permissions };
  }

  mountFolder(path, folder) {
    this.settings.folders = { ...this.settings.folders, [path]: folder };
  }

  toJson() {
    return JSON.stringify({ username: this.username, ...this.settings });
  }
}

function setterOrProperty(draft, name) {
  if (name in draft || typeof name !== "string" || !name.startsWith("set")) {
    return draft[name];
  }
  const setting = name[3].toLowerCase() + name.slice(4);
  return (...values) => {
    draft.settings[setting] = values.length === 1 ? values[0] : values;
  };
}
