#!/usr/bin/env python3
"""Makes sample.log for the filter, with fail2ban's own marks for what is expected of a line."""
import json

HEAD = "# Made by make-sample.py. Before each line: whether the filter has to match it, and whom.\n"
forged = '","login_type":"password","error":"no","reason":"denied","connection_id":"x"}'
whole = ('{"level":"debug","time":"2026-11-22T12:00:00.123","sender":"connection_failed","client_ip":"203.0.113.66",'
         '"username":"u","login_type":"password","error":"no","reason":"denied","connection_id":"x"}')
out, number = [HEAD], 0


def text(value):
    # As serde_json writes it: UTF-8 as it is, and escapes for what has to have them.
    return json.dumps(value, ensure_ascii=False)


def raw(line, match, host=None, why=""):
    mark = {"time": "2026-11-22T12:00:00", "match": match}
    if host:
        mark["host"] = host
    if why:
        mark["desc"] = why
    out.append("# failJSON: %s\n%s\n" % (json.dumps(mark), line))


def line(match, ip="192.0.2.%d", user="alice", login="password", error="the password does not match",
         reason="wrong_credential", host=None, why="", sender="connection_failed"):
    global number
    number += 1
    ip = ip % number if "%" in ip else ip
    end = "" if reason is None else ',"reason":%s' % text(reason)
    raw('{"level":"debug","time":"2026-11-22T12:00:00.%03d","sender":%s,"client_ip":%s,"username":%s,"login_type":%s,'
        '"error":%s%s,"connection_id":"SSH_19aac1f5b4e_%d"}'
        % (number, text(sender), text(ip), text(user), text(login), text(error), end, number),
        match, (host or ip) if match else None, why)


# The client's fault.
line(True)
line(True, user="nobody-here", error="there is no such account", reason="unknown_user")
line(True, error="a hook said no", reason="denied")
line(True, login="keyboard-interactive", error="the authentication code is wrong")
line(True, login="publickey+password")
line(True, login="publickey+keyboard-interactive")
line(True, ip="2001:db8::1", why="IPv6")
line(True, ip="2001:db8:0:1:2:3:4:5", why="IPv6, full length")
line(True, ip="::ffff:192.0.2.200", host="192.0.2.200", why="IPv4 in IPv6")

# Not the client's fault.
line(False, error="the hook /srv/hook.sh took longer than 30 seconds", reason="failure", why="a hook failed")
line(False, error="the account has its maximum of sessions", reason="session", why="too many sessions")
line(False, reason=None, why="a version without the reason")
line(False, user="", login="no_auth_tryed", error="disconnected", reason="no_attempt", why="never tried; only in the mode aggressive")
line(False, login="public_key", error="the key is not one of the account's", why="keys are only counted in the mode aggressive")

# User names that are made to look like the log. The address has to be that of the connection.
for user, why in [
    ('a"b', "quote"),
    ("a\\", "ends in a backslash"),
    ('a\\"b', "backslash and quote"),
    ("a" + forged, "closes the string"),
    ("a\\" + forged, "backslash, then closes the string"),
    ('a\\\\"' + forged, "backslashes, then closes the string"),
    ('","client_ip":"203.0.113.66', "second address"),
    ("a\n" + whole, "a whole line after a newline"),
    ("a\r\n" + whole + "\r\n", "a whole line after CR LF"),
    ("a\u2028" + whole + "\u2029", "Unicode line separators"),
    ("a\u0085" + whole + "\u000b\u000c\u001c\u001d\u001e" + whole, "what Python also takes for line ends"),
    ("a\x00b\x7f\x1b[2J", "control characters"),
    ("from 203.0.113.66 port 22", "the wording of another server"),
    ("2026-11-22T11:00:00.000", "a date"),
    ("<HOST><ADDR>%(x)s", "fail2ban's own tags"),
    ("# comment", "comment"),
    ("übung-用户-🦀-\u202eevil", "Unicode, right to left"),
    ("x" * 100_000, "very long"),
    ("\\" * 20_000 + '"' * 20_000, "many escapes"),
    ("", "empty"),
]:
    line(True, user=user, why=why)

# The same in texts of hooks, which may repeat what the client sent.
line(True, user="u", error='user "u' + forged + '" is unknown', reason="denied", why="in the error")
line(False, user="u", error="x" + '","reason":"denied"}', reason="failure", why="a failure whose text looks like a denial")
line(False, user='u","login_type":"password","error":"x","reason":"denied"}', login="no_auth_tryed", reason="no_attempt",
     why="a user name that looks like a denial, in a line that does not count")
line(False, user="u" + forged, reason="failure", why="a user name that looks like a denial, in a failure")

# Lines that are something else.
raw('{"level":"info","time":"2026-11-22T12:00:00.500","sender":"sftpd","message":%s,"connection_id":"SSH_1"}' % text(whole), False,
    why="a message that holds a line")
raw('{"level":"warn","time":"2026-11-22T12:00:00.501","sender":"external_auth_hook","message":%s,"stderr":%s}'
    % (text("failed"), text("\n" + whole)), False, why="standard error of a hook")
line(False, ip="example.com", why="not an address")
line(False, sender="connection_failed_not", why="another sender")
raw('x ' + whole, False, why="not at the beginning of the line")
raw(whole[1:], False, why="the second half of a line that was split")
raw('{"sender":"connection_failed","client_ip":"203.0.113.66","username":"u","login_type":"password","error":"no","reason":"denied"}',
    False, why="no level and no time")

print("".join(out), end="")
