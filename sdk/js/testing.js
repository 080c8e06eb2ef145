// For tests that run under Node: sets up what the server would offer, and makes what it would hand over.
import { state } from "./host/fakes.js";

export { state as server };

/** Forgets everything, and then offers this configuration and these secrets. */
export function reset({ config = {}, secrets = {} } = {}) {
  state.config = config;
  state.secrets = secrets;
  state.kv.clear();
  state.log.length = 0;
}

/** A handle as the server hands it over: `handle({ username: "eve" }).username()` is "eve". */
export function handle(answers) {
  const getters = Object.entries(answers).map(([name, answer]) => [
    name,
    typeof answer === "function" ? answer : () => answer,
  ]);
  return Object.fromEntries(getters);
}

/** An attempt to log in. The password is at the same time the only hash that matches it. */
export function loginAttempt({ username, password, ...others }) {
  return handle({
    username,
    password,
    passwordMatches: (hash) => hash === password,
    method: { tag: "password" },
    completedMethods: [],
    storedAccount: null,
    connection: connection(),
    ...others,
  });
}

export function connection(others = {}) {
  return handle({
    id: "SSH_1",
    protocol: { tag: "sftp" },
    remoteIp: "192.0.2.1",
    remotePort: 50000,
    localAddress: "192.0.2.2:2022",
    clientSoftware: "SSH-2.0-test",
    openedAt: 0,
    ...others,
  });
}

export function session({ username, ...others }) {
  return handle({
    id: "1",
    username,
    connection: connection(),
    method: { tag: "password" },
    openedAt: 0,
    bytesReceived: 0,
    bytesSent: 0,
    ...others,
  });
}

export function account(others = {}) {
  return handle({ username: "nobody", groups: [], permissions: [], enabled: true, homeDirectory: "/srv/nobody", ...others });
}

export function fileAction(others = {}) {
  return handle({
    kind: { tag: "upload" },
    virtualPath: "/file",
    status: { tag: "ok" },
    session: session({ username: "nobody" }),
    size: 0,
    ...others,
  });
}

/**
 * Answers each round with the next list; without any, the client has gone away. `always` answers every other question.
 */
export function conversation({ answers = [], always, password } = {}) {
  const rounds = [...answers];
  const gone = () => {
    throw Object.assign(new Error("refused"), { payload: { tag: "closed" } });
  };
  const repeated = (prompts) => (always === undefined ? gone() : prompts.map(() => always));
  return handle({
    ask: (_instruction, prompts) => rounds.shift() ?? repeated(prompts),
    verifyPassword: (answer) => answer === password,
    verifyOneTimeCode: false,
  });
}

/** What the server would call the hook of that name with, about this user. */
export function madeUp(name, details) {
  const attempt = loginAttempt(details);
  const user = session({ username: details.username, account: account(details) });
  const events = {
    externalAuth: [attempt],
    connect: [connection()],
    loginPre: [attempt],
    preLogin: [attempt, null],
    checkPassword: [attempt],
    keyboardInteractive: [attempt, conversation({ always: details.password, password: details.password })],
    sessionCreate: [user],
    preAction: [fileAction({ status: null })],
    passwordResetPre: [handle({ username: details.username, remoteIp: "192.0.2.1" })],
    startup: ["0.1.0"],
    postLogin: [connection(), attempt, { tag: "ok", val: user }],
    sessionDestroy: [user, "logout", 1000],
    disconnect: [connection(), user, 1000],
    postAction: [fileAction()],
    objectChanges: [handle({ name: details.username, kind: { tag: "account" }, change: "update", actor: null })],
    credentialChanged: [handle({ name: "key", username: details.username, isLoginUrl: false, expiresAt: null })],
    oneClickLoginPost: ["token", details.username, "elsewhere"],
    addressBanned: [handle({ network: "192.0.2.1", loginFailed: 8, userNotFound: 0, at: 0, until: 1800 })],
  };
  return events[name];
}

/** The name of the verdict; `told` for hooks that have none, `failed` if the hook threw. */
export function verdictOf(call) {
  try {
    return call()?.tag ?? "told";
  } catch {
    return "failed";
  }
}
