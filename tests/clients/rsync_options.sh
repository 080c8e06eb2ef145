#!/usr/bin/env bash
# The options that backup tools give rsync: names elsewhere in the account, links that are followed, lists of files, other owners.
. "$(dirname "$0")/lib.sh"
export RSYNC_RSH="$SSH"; unset RSYNC_PROTECT_ARGS RSYNC_OLD_ARGS
T="$AT:$BASE"
rs() { timeout 120 rsync --timeout=60 "$@"; }
back() { rm -rf "$WORK/back"; rs "$@" "$WORK/back/"; }
refused() { rs "$@" 2> "$WORK/said" && fail "this was not refused: $*"; true; }
S="$WORK/src"; mkdir -p "$S/sub"
printf one > "$S/f"; head -c 300000 /dev/urandom > "$S/sub/g"; ln -s f "$S/l"; ln -s sub "$S/dir"
remote_mkdir .
step "--mkpath"
rs -a --mkpath "$S/" "$T/new/x/y/"; back -a "$T/new/x/y/"; same "$S" "$WORK/back"
refused -a "$S/" "$T/other/x/y/"
for name in ../snap1 /snap1 snap1/../../snap1; do
    step "--link-dest=$name"
    rs -a "$S/" "$T/snap1/"; rs -a --link-dest="$name" "$S/" "$T/snap2/"
    back -aH "$T/" ; [ "$(stat -c %h "$WORK/back/snap2/sub/g")" = 2 ] || fail "not linked"
    rm -rf "$WORK/empty"; mkdir "$WORK/empty"; rs -r --delete "$WORK/empty/" "$T/snap2/"
done
step "--copy-dest, --compare-dest"
rs -a --copy-dest=../snap1 --stats "$S/" "$T/copied/" > "$WORK/stats"; back -a "$T/copied/"; same "$S" "$WORK/back"
grep -q 'Literal data: 0 bytes' "$WORK/stats" || fail "everything was sent: $(cat "$WORK/stats")"
rs -a --compare-dest=/snap1 "$S/" "$T/compared/"; back -a "$T/compared/"; [ ! -e "$WORK/back/f" ] || fail "what is the same was sent"
step "--backup-dir"
printf two > "$S/f"; touch -d '2001-02-03' "$S/f"
rs -ab --backup-dir=../old/here "$S/" "$T/snap1/"; back -a "$T/old/here/"; [ "$(cat "$WORK/back/f")" = one ] || fail "no backup"
printf three > "$S/f"; rs -ab --backup-dir=/old2 "$S/" "$T/snap1/"; back -a "$T/old2/"; [ "$(cat "$WORK/back/f")" = two ] || fail "no backup"
back -ab --backup-dir=/nowhere/else "$T/snap1/"
step "--temp-dir, --partial-dir"
remote_mkdir tmp
printf four > "$S/f"; rs -a --temp-dir=/tmp --partial-dir=.part "$S/" "$T/snap1/"; rs -a --partial-dir=/tmp --delay-updates "$S/" "$T/snap1/"
step "-L, -k, -K"
back -aL "$T/snap1/"; [ -f "$WORK/back/l" ] && [ ! -L "$WORK/back/l" ] && [ -f "$WORK/back/dir/g" ] || fail "links were kept"
back -ak "$T/snap1/"; [ -L "$WORK/back/l" ] && [ -d "$WORK/back/dir" ] && [ ! -L "$WORK/back/dir" ] || fail "-k"
printf 'symlink "../snap1/f" "%s"\n' "$BASE/new/elsewhere" | $SFTP -q -b - "$AT" > /dev/null
back -a --copy-unsafe-links "$T/new/"; [ "$(cat "$WORK/back/elsewhere")" = four ] && [ ! -L "$WORK/back/elsewhere" ] || fail "a link to elsewhere in the account"
rs -aL "$S/" "$T/snap3/"; rs -aK "$S/" "$T/kept/"; rs -aK "$S/" "$T/kept/"
step "-s"
rs -a -s "$S/" "$T/o d's/"; back -a -s "$T/o d's/"; same "$S" "$WORK/back"
back -a -s "$T/o d*/"; same "$S" "$WORK/back"
rs -a -s --link-dest=../snap1 "$S/" "$T/snap4/"; back -aH "$T/"; [ "$(stat -c %h "$WORK/back/snap4/sub/g")" -ge 2 ] || fail "not linked with -s"
refused -a -s --rsync-path='rsync --config=/x' "$S/" "$T/snap5/"
step "--files-from"
printf 'f\nsub/g\n' > "$WORK/list"; rs "$WORK/list" "$T/list"
rs -a --files-from="$WORK/list" "$S/" "$T/listed/"; back -a --files-from="$WORK/list" "$T/listed/"; cmp "$S/sub/g" "$WORK/back/sub/g"
back -a --files-from=:"$BASE/list" "$T/snap1/"; cmp "$S/sub/g" "$WORK/back/sub/g"; [ ! -e "$WORK/back/l" ] || fail "more than the list"
refused -a --files-from=:/missing "$T/snap1/" "$WORK/none/"
refused -a --files-from=:/etc/passwd "$T/snap1/" "$WORK/none/"
step "-B, --skip-compress, --chown, --chmod, -R"
rs -a --no-W -B 4096 "$S/" "$T/n1/"; rs -az --skip-compress=gz/jpg/mp4 "$S/" "$T/n2/"; back -az --skip-compress=gz/jpg "$T/n2/"
rs -a --chown=1234:1234 "$S/" "$T/n3/"; rs -a --chmod=D755,F644 "$S/" "$T/n4/"; rs -aR "$S/./sub/g" "$T/n5/"
step "names that lead out begin at the root"
rs -a --link-dest=../../../../snap1 "$S/" "$T/n6/"; back -aH "$T/"; [ "$(stat -c %h "$WORK/back/n6/sub/g")" -ge 2 ] || fail "the root is above"
echo ok
