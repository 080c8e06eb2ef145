#!/usr/bin/env bash
#   HOST PORT USER KEY   the server and the login (private key file)
#   BASE                 optional prefix of every remote path; "" for a server whose "/" is the user's home
#   LINKS=no, TIMES=no, MODES=no   of a server whose storage has no symbolic links, or keeps no times or modes
#   WORK                 optional scratch directory (default: a new one, removed at the end)
set -eu
: "${HOST:=127.0.0.1}" "${PORT:?}" "${USER:?}" "${KEY:?}"
BASE="${BASE:-}"
if [ -z "${WORK:-}" ]; then WORK=$(mktemp -d); trap 'rm -rf "$WORK"' EXIT; fi
export HOME="$WORK/clienthome" LC_ALL=C.UTF-8
mkdir -p "$HOME/.ssh"
unset SSH_AUTH_SOCK SSH_ASKPASS DISPLAY XDG_CONFIG_HOME
# Nothing in these words has a space, so they can be used unquoted and inside RSYNC_RSH, GIT_SSH_COMMAND and so on.
OPTS="-F /dev/null -i $KEY -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=20 -o ServerAliveInterval=15"
SSH="ssh $OPTS -p $PORT"
SFTP="sftp $OPTS -P $PORT"
SCP="scp $OPTS -P $PORT"
AT="$USER@$HOST"
fail() { echo "FAILED: $*" >&2; exit 1; }
step() { echo "-- $*"; }
# Same names, kinds, contents and link targets?
same() { diff -r --no-dereference "$1" "$2" || fail "$1 and $2 differ"; }
sum() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }
remote_mkdir() { printf -- '-mkdir "%s"\n' "$BASE/$1" | $SFTP -q -b - "$AT" >/dev/null 2>&1 || true; }
# A tree with files of several sizes, odd names, an empty file, an empty directory and links.
tree() {
    mkdir -p "$1/a/b c/d" "$1/empty" "$1/ünïcode ☃"
    : > "$1/zero"
    printf one > "$1/a/one byte"
    head -c 32768 /dev/urandom > "$1/a/b c/exact"
    head -c 1000003 /dev/urandom > "$1/a/b c/d/odd"
    head -c 5242880 /dev/urandom > "$1/big"
    printf quote > "$1/it's \"quoted\" \$HOME \`id\` *?[x];&|<>(){}~#!"
    printf back > "$1/back\\slash"
    printf dash > "$1/-dash"
    printf u > "$1/ünïcode ☃/naïve"
    [ "${LINKS:-}" != no ] || return 0
    ln -s one\ byte "$1/a/link"
    ln -s ../big "$1/a/up"
    ln -s nowhere "$1/dangling"
}
