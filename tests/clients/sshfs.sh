#!/usr/bin/env bash
# sshfs: mount, write, read, rename over, append, truncate, links, times, statfs, unmount.  Needs /dev/fuse and fusermount3.
. "$(dirname "$0")/lib.sh"
[ -c /dev/fuse ] || fail "no /dev/fuse here"
M="$WORK/mnt"; mkdir "$M"
remote_mkdir .; remote_mkdir fs
# -f would stay in the foreground; as it is, sshfs returns when the mount is there.
ssh_opts=(-o IdentityFile="$KEY" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=no
    -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=20 -o LogLevel=ERROR -F /dev/null)
mount() { timeout 60 sshfs -p "$PORT" "${ssh_opts[@]}" "$@" "$AT:$BASE/fs" "$M" || fail mount; mounted=yes; }
unmount() { for _ in 1 2 3 4 5; do fusermount3 -u "$M" && { mounted=; return; }; sleep 1; done; fail unmount; }
mounted=; trap '[ -z "$mounted" ] || fusermount3 -uz "$M" || true; rm -rf "$WORK"' EXIT
step mount; mount
mountpoint -q "$M" || fail "not mounted"
step "write and read"
tree "$WORK/src"; rm "$WORK/src/a/up" # since 3.7.3-1.2 links with ".." need -o no_contain_symlinks
cp -r --preserve=mode --no-dereference "$WORK/src/." "$M/" # times of links cannot be set through sshfs
touch -r "$WORK/src/big" "$M/big"
same "$WORK/src" "$M"
step "what the server has, seen by a fresh mount without caches"
unmount; mount -o dir_cache=no,direct_io; same "$WORK/src" "$M"
[ "$(stat -c '%a %Y %s' "$M/big")" = "$(stat -c '%a %Y %s' "$WORK/src/big")" ] || fail "mode, time or size"
unmount; mount
step "rename over"
echo new > "$M/zero.tmp"; echo old > "$M/zero"; mv -f "$M/zero.tmp" "$M/zero"; [ "$(cat "$M/zero")" = new ] || fail rename
[ ! -e "$M/zero.tmp" ] || fail "the old name is there"
mkdir "$M/ren"; mv "$M/a" "$M/ren/b"; [ -f "$M/ren/b/one byte" ] || fail "rename a directory"; mv "$M/ren/b" "$M/a"
step "append, truncate, write in the middle"
echo more >> "$M/zero"; [ "$(cat "$M/zero" | wc -l)" = 2 ] || fail append
truncate -s 3 "$M/zero"; [ "$(cat "$M/zero")" = new ] || fail truncate
truncate -s 100000 "$M/zero"; [ "$(stat -c %s "$M/zero")" = 100000 ] || fail extend
printf mid | dd of="$M/zero" bs=1 seek=50000 conv=notrunc status=none
[ "$(dd if="$M/zero" bs=1 skip=50000 count=3 status=none)" = mid ] || fail "the middle"
step "modes, times, links, statfs, sync"
chmod 600 "$M/zero"; touch -d '2001-02-03 04:05:06' "$M/zero"
[ "$(stat -c '%a %Y' "$M/zero")" = "600 $(date -d '2001-02-03 04:05:06' +%s)" ] || fail "mode or time"
owner=$(stat -c '%u %g' "$M/zero")
chgrp "${owner#* }" "$M/zero" || fail "the group alone"
chown "${owner% *}" "$M/zero" || fail "the owner alone"
[ "$(stat -c '%u %g' "$M/zero")" = "$owner" ] || fail "the owner or group has changed"
ln -s zero "$M/sym"; [ "$(readlink "$M/sym")" = zero ] || fail symlink
ln "$M/zero" "$M/hard"; cmp "$M/zero" "$M/hard" || fail "hard link"
df "$M" >/dev/null || fail statfs
sync -d "$M/zero" || fail fsync
step "what fails, fails"
cat "$M/none" 2>/dev/null && fail "read nothing"; rmdir "$M/a" 2>/dev/null && fail "removed a full directory"; mkdir "$M/a" 2>/dev/null && fail "made it twice"
step "programs on it: git, sqlite-like locking, many files"
git init -q "$M/repo"; (cd "$M/repo"; for i in $(seq 100); do echo $i > f$i; done; git add .; git -c user.name=a -c user.email=a@b commit -qm x; git status --porcelain | grep . && fail "git status"; true)
step "remove"
rm -rf "$M"/* "$M"/-dash; [ -z "$(ls -A "$M")" ] || fail "left: $(ls -A "$M")"
step unmount; unmount
echo ok
