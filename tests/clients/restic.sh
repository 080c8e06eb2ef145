#!/usr/bin/env bash
# restic over sftp: init, backup, check, restore, diff; a second backup after a change; forget and prune.
. "$(dirname "$0")/lib.sh"
export RESTIC_PASSWORD=secret RESTIC_CACHE_DIR="$WORK/cache" RESTIC_PROGRESS_FPS=0.0001
R="sftp:$AT:$BASE/restic-repo"
restic_() { restic -q -r "$R" -o sftp.command="ssh $OPTS -p $PORT $AT -s sftp" "$@"; }
tree "$WORK/src"
step init;   restic_ init
step backup; (cd "$WORK" && restic_ backup --host test src)
step check;  restic_ check --read-data
step restore
restic_ restore latest --target "$WORK/back1"
same "$WORK/src" "$WORK/back1/src"
step "second backup after a change"
cp -a "$WORK/src" "$WORK/first"
dd if=/dev/urandom of="$WORK/src/big" bs=1000 count=10 seek=1000 conv=notrunc status=none
rm "$WORK/src/zero"; echo new > "$WORK/src/new"
(cd "$WORK" && restic_ backup --host test src)
[ "$(restic_ snapshots --json | grep -o '"short_id"' | wc -l)" = 2 ] || fail "not two snapshots"
restic_ restore latest --target "$WORK/back2"; same "$WORK/src" "$WORK/back2/src"
first=$(restic_ snapshots --json | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin),key=lambda s:s["time"])[0]["id"])')
restic_ restore "$first" --target "$WORK/back3"; same "$WORK/first" "$WORK/back3/src"
step "forget and prune (removes and renames on the server)"
restic_ forget --keep-last 1 --prune
restic_ check --read-data
restic_ restore latest --target "$WORK/back4"; same "$WORK/src" "$WORK/back4/src"
step "without the cache"
rm -rf "$RESTIC_CACHE_DIR"; restic_ --no-cache check
step "a lock left behind is seen and removed"
restic_ unlock --remove-all
[ -z "$(restic_ list locks)" ] || fail "locks remain"
step "no temporary or lock file remains"
echo ok
