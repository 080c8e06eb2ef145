#!/usr/bin/env bash
# rsync over ssh: upload, delta both ways, delete, links, times, odd names; with and without -s.
# SECLUDED=refused if a server refuses -s (its exec string names no path).  RSYNC=another rsync program.
. "$(dirname "$0")/lib.sh"
# LINKS=munged if the server runs rsync with --munge-links: links then look changed on every run, though they come back right.
RSYNC=${RSYNC:-rsync}; SECLUDED=${SECLUDED:-works}; LINKS=${LINKS:-kept}
drop() { if [ "$LINKS" = munged ]; then grep -v '^cL'; else cat; fi || true; }
export RSYNC_RSH="$SSH"; unset RSYNC_PROTECT_ARGS RSYNC_OLD_ARGS
T="$AT:$BASE"
rs() { timeout 120 "$RSYNC" --timeout=60 "$@"; }
figure() { sed -n "s/^$1: \([0-9,]*\).*/\1/p" "$WORK/stats" | tr -d ,; }
clean() { # nothing left to do between $1 and $2
    local left; left=$(rs -a --delete --checksum --itemize-changes --dry-run "$1" "$2" | drop); [ -z "$left" ] || fail "left to do: $left"; }
now=1700000000
later() { now=$((now + 100)); touch -d "@$now" "$@"; } # rsync compares whole seconds: a change within one second is not seen
tree "$WORK/src"; chmod 640 "$WORK/src/zero"; touch -d '2001-02-03 04:05:06' "$WORK/src/zero"
head -c 20000000 /dev/urandom > "$WORK/src/delta"
remote_mkdir .; remote_mkdir rs
step "upload"
rs -a --safe-links "$WORK/src/" "$T/rs/tree/"
clean "$WORK/src/" "$T/rs/tree/"
step "delta upload"
printf 'changed here' | dd of="$WORK/src/delta" bs=1 seek=10000000 conv=notrunc status=none; later "$WORK/src/delta"
rs -a --stats "$WORK/src/" "$T/rs/tree/" > "$WORK/stats"
lit=$(figure "Literal data"); match=$(figure "Matched data"); sent=$(figure "Total bytes sent")
echo "   literal $lit, matched $match, sent $sent"
[ "$lit" -gt 0 ] && [ "$lit" -lt 20000 ] && [ "$match" -gt 19900000 ] && [ "$sent" -lt 200000 ] || fail "no delta: $(cat "$WORK/stats")"
clean "$WORK/src/" "$T/rs/tree/"
step "delta upload in place, with an insertion"
{ head -c 5000000 "$WORK/src/delta"; printf inserted; tail -c +5000001 "$WORK/src/delta"; } > "$WORK/d2"; mv "$WORK/d2" "$WORK/src/delta"; later "$WORK/src/delta"
rs -a --stats "$WORK/src/delta" "$T/rs/tree/delta" > "$WORK/stats"
[ "$(figure "Literal data")" -lt 20000 ] || fail "no delta: $(cat "$WORK/stats")"
printf XX | dd of="$WORK/src/delta" bs=1 seek=7000000 conv=notrunc status=none; later "$WORK/src/delta"
rs -a --inplace --no-whole-file --stats "$WORK/src/delta" "$T/rs/tree/delta" > "$WORK/stats"
[ "$(figure "Literal data")" -lt 20000 ] || fail "no delta: $(cat "$WORK/stats")"
step "download"
rs -a "$T/rs/tree/" "$WORK/back/"; same "$WORK/src" "$WORK/back"
[ "$(stat -c '%a %Y' "$WORK/back/zero")" = "640 $(stat -c %Y "$WORK/src/zero")" ] || fail "mode or time"
step "delta download"
cp -a "$WORK/back/delta" "$WORK/old"; printf other | dd of="$WORK/back/delta" bs=1 seek=9999 conv=notrunc status=none; later "$WORK/back/delta"
rs -a --stats "$T/rs/tree/" "$WORK/back/" > "$WORK/stats"
[ "$(figure "Literal data")" -lt 20000 ] && [ "$(figure "Total bytes received")" -lt 200000 ] || fail "no delta: $(cat "$WORK/stats")"
same "$WORK/src" "$WORK/back"
step "links"
[ "$(readlink "$WORK/back/a/link")" = "one byte" ] && [ "$(readlink "$WORK/back/a/up")" = ../big ] || fail "links"
ln "$WORK/src/zero" "$WORK/src/hard"
rs -aH "$WORK/src/" "$T/rs/tree/"; rm -rf "$WORK/back"; rs -aH "$T/rs/tree/" "$WORK/back/"
[ "$(stat -c %h "$WORK/back/zero")" = 2 ] || fail "hard links"
step "--delete"
rm -r "$WORK/src/a/b c" "$WORK/src/hard"
rs -a --delete "$WORK/src/" "$T/rs/tree/"
clean "$WORK/src/" "$T/rs/tree/"
rm -rf "$WORK/back"; rs -a "$T/rs/tree/" "$WORK/back/"; same "$WORK/src" "$WORK/back"
rs -a --delete-after --delete-excluded --exclude='*dash' --exclude=big "$WORK/src/" "$T/rs/tree/"
rs --list-only "$T/rs/tree/" | grep -q -e ' big$' -e 'dash' && fail "excluded files are still there"
step "compression, partial, delayed, backup, dry run, checksum"
rs -az --partial "$WORK/src/" "$T/rs/tree/"
rs -a --zc=zstd --delay-updates "$WORK/src/" "$T/rs/tree2/"
echo x > "$WORK/src/a/one byte"; later "$WORK/src/zero" "$WORK/src/a/one byte"
rs -a --backup --suffix=.old "$WORK/src/" "$T/rs/tree/"
rs --list-only "$T/rs/tree/a/" | grep -q 'one byte.old' || fail "no backup"
left=$(rs -ni -a "$WORK/src/" "$T/rs/tree/" | grep -v '^\.d\.\.t' | drop || true); [ -z "$left" ] || fail "dry run: $left"
rs -ac "$WORK/src/" "$T/rs/tree2/"; clean "$WORK/src/" "$T/rs/tree2/"
step "paths with spaces and quotes, without -s"
odd="o d'd \"q\" \$x"
small="$WORK/src/ünïcode ☃" # without links: a server that adds --safe-links drops "../big" if only a/ is sent
rs -a "$small/" "$T/rs/$odd/"; rs -a "$T/rs/$odd/" "$WORK/odd/"; same "$small" "$WORK/odd"
step "several sources in one command"
rs -a "$T/rs/tree/zero" ":$BASE/rs/tree/back\\slash" "$WORK/two/"
[ -f "$WORK/two/zero" ] && [ -f "$WORK/two/back\\slash" ] || fail "two sources"
step "-s (secluded arguments): $SECLUDED"
if [ "$SECLUDED" = works ]; then
    rs -a -s "$small/" "$T/rs/$odd s/"; rs -a -s "$T/rs/$odd s/" "$WORK/odds/"; same "$small" "$WORK/odds"
else
    rs -a -s "$WORK/src/a/" "$T/rs/secluded/" 2>/dev/null && fail "-s was not refused"
fi
step "what fails, fails"
rs -a "$T/rs/none" "$WORK/none" 2>/dev/null && fail "a missing source"
step "1000 small files"
mkdir "$WORK/many"; for i in $(seq 1000); do echo "file $i" > "$WORK/many/f$i"; done
rs -a "$WORK/many" "$T/rs/"; rs -a "$T/rs/many" "$WORK/manyback"; same "$WORK/many" "$WORK/manyback/many"
echo ok
