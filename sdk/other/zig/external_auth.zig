//! Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
//! All other names are left to the next hook.
//! Hook point: external-auth, written against the bare contract: see ../README.md. Build: ./build.sh.

const std = @import("std");

// ---- What the server offers, as the canonical ABI has it: a string is an address and a length, and a result that is
// no single number is written to an address that the caller gives.

const types = "tidegate:hooks/types@0.1.2";
const config = "tidegate:hooks/config@0.1.2";

const Username = @extern(*const fn (i32, *Text) callconv(.c) void, .{ .name = "[method]login-attempt.username", .library_name = types });
const PasswordMatches = @extern(*const fn (i32, [*]const u8, usize, *Outcome) callconv(.c) void, .{ .name = "[method]login-attempt.password-matches", .library_name = types });
const DropAttempt = @extern(*const fn (i32) callconv(.c) void, .{ .name = "[resource-drop]login-attempt", .library_name = types });
const NewDraft = @extern(*const fn ([*]const u8, usize) callconv(.c) i32, .{ .name = "[constructor]account-draft", .library_name = types });
const SetHomeDirectory = @extern(*const fn (i32, [*]const u8, usize, *Outcome) callconv(.c) void, .{ .name = "[method]account-draft.set-home-directory", .library_name = types });
const SetPermissions = @extern(*const fn (i32, [*]const u8, usize, [*]const Text, usize, *Outcome) callconv(.c) void, .{ .name = "[method]account-draft.set-permissions", .library_name = types });
const GetConfig = @extern(*const fn ([*]const u8, usize, *Setting) callconv(.c) void, .{ .name = "get", .library_name = config });

const Text = extern struct {
    start: [*]const u8,
    length: usize,

    fn of(bytes: []const u8) Text {
        return .{ .start = bytes.ptr, .length = bytes.len };
    }

    fn slice(self: Text) []const u8 {
        return self.start[0..self.length];
    }
};

/// `result<bool, …>` and `result<_, string>`: the first part says which type the second one has.
const Outcome = extern struct {
    is_error: u8,
    value: extern union { yes: u8, text: Text } align(4),
};

/// `option<string>`.
const Setting = extern struct { is_some: u8, text: Text };

/// `result<auth-verdict, failure>`, in words of four bytes: failed or not; the case of the verdict; the parts of that case.
/// Of a failure: the message, and whether the same call may succeed later.
var answer: [7]usize = undefined;

const DEFER = 0;
const ACCEPT = 1;
const REJECT = 3;

fn verdict(case: usize, first: usize, second: usize) *const [7]usize {
    answer = .{ 0, case, first, second, 0, 0, 0 };
    return &answer;
}

fn reject(reason: []const u8) *const [7]usize {
    return verdict(REJECT, @intFromPtr(reason.ptr), reason.len);
}

/// Not a verdict: the server refuses and logs the message.
fn fail(message: []const u8) *const [7]usize {
    answer = .{ 1, @intFromPtr(message.ptr), message.len, 0, 0, 0, 0 };
    return &answer;
}

fn setting(name: []const u8) ?[]const u8 {
    var found: Setting = undefined;
    GetConfig(name.ptr, name.len, &found);
    return if (found.is_some == 1) found.text.slice() else null;
}

// ---- What the server calls.

/// Its plain name is enough: `tidegate plugin component` gives it the contract's.
export fn external_auth(attempt: i32) *const [7]usize {
    // What was lent has to be given back before the end.
    defer DropAttempt(attempt);
    var name: Text = undefined;
    Username(attempt, &name);
    if (!std.mem.startsWith(u8, name.slice(), "guest-")) return verdict(DEFER, 0, 0);
    const hash = setting("password_hash") orelse return fail("config.password_hash is needed");
    const directory = setting("directory") orelse return fail("config.directory is needed");
    var outcome: Outcome = undefined;
    // The server compares, so the plugin needs neither the password nor a grant.
    PasswordMatches(attempt, hash.ptr, hash.len, &outcome);
    if (outcome.is_error == 1 or outcome.value.yes == 0) return reject("not the guests' password");
    const draft = NewDraft(name.start, name.length);
    SetHomeDirectory(draft, directory.ptr, directory.len, &outcome);
    if (outcome.is_error == 1) return fail(outcome.value.text.slice());
    const permissions = [_]Text{ Text.of("list"), Text.of("download") };
    SetPermissions(draft, "/", 1, &permissions, permissions.len, &outcome);
    if (outcome.is_error == 1) return fail(outcome.value.text.slice());
    return verdict(ACCEPT, 1, @intCast(draft));
}

// ---- Memory. An instance serves one login, or the file operations of one session: nothing is given back before that.

var heap: [256 * 1024]u8 align(16) = undefined;
var used: usize = 0;

export fn cabi_realloc(old: ?[*]u8, old_size: usize, alignment: usize, size: usize) [*]u8 {
    const start = std.mem.alignForward(usize, used, alignment);
    if (start + size > heap.len) @trap();
    used = start + size;
    const new = heap[start..used];
    if (old) |bytes| @memcpy(new[0..@min(old_size, size)], bytes[0..@min(old_size, size)]);
    return new.ptr;
}
