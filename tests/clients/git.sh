#!/usr/bin/env bash
# git over ssh: push, clone, fetch, tags, force, delete, shallow, archive; odd paths.  GIT=another git program.
. "$(dirname "$0")/lib.sh"
GIT=${GIT:-git}
export GIT_SSH_COMMAND="$SSH" GIT_SSH_VARIANT=ssh GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 GIT_PAGER=cat
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
g() { timeout 120 "$GIT" "$@"; }
U="ssh://$AT:$PORT$BASE"   # the port is in the URL, not in GIT_SSH_COMMAND, so both are tested
# GIT_SSH_COMMAND without the port:
export GIT_SSH_COMMAND="ssh $OPTS"
step "bare repositories, put there by sftp"
for name in repo.git "odd d'd !\"x\$.git"; do
    g init -q --bare -b main "$WORK/bare"
    rm -rf "$WORK/bare/hooks"
    remote_mkdir .
    quoted=${name//\\/\\\\}; quoted=${quoted//\"/\\\"}
    $SFTP -q -b - "$AT" > "$WORK/log" 2>&1 <<X || { cat "$WORK/log"; fail "sftp put -r"; }
mkdir "$BASE/$quoted"
put -r "$WORK/bare/." "$BASE/$quoted/"
X
    rm -rf "$WORK/bare"
done
step "push"
g init -q -b main "$WORK/one"; cd "$WORK/one"
echo one > file; head -c 5000000 /dev/urandom > big; mkdir d; for i in $(seq 500); do echo $i > d/$i; done
g add .; g commit -qm one; g tag -a v1 -m v1
g remote add origin "$U/repo.git"
g push -q -u origin main v1 2> "$WORK/log" || { cat "$WORK/log"; fail push; }
[ -s "$WORK/log" ] && fail "push: $(cat "$WORK/log")"
step "ls-remote and clone"
[ "$(g ls-remote origin | wc -l)" = 4 ] || fail "ls-remote: $(g ls-remote origin)"
g clone -q "$U/repo.git" "$WORK/two"; same "$WORK/one/d" "$WORK/two/d"; cmp "$WORK/one/big" "$WORK/two/big"
g -C "$WORK/two" fsck --full 2>/dev/null || fail fsck
step "fetch"
echo two >> file; g commit -qam two; g push -q
g -C "$WORK/two" fetch -q; g -C "$WORK/two" merge -q --ff-only origin/main
[ "$(g -C "$WORK/two" rev-parse HEAD)" = "$(g rev-parse HEAD)" ] || fail fetch
step "a push that is not a fast-forward is refused, and forced"
cd "$WORK/two"; echo other > other; g add other; g commit -qm other; g push -q
cd "$WORK/one"; echo three >> file; g commit -qam three
g push -q 2>/dev/null && fail "not a fast-forward"
g pull -q --rebase; g push -q
g commit -q --amend -m changed; g push -q --force-with-lease
step "branches and tags come and go"
g push -q origin HEAD:refs/heads/x HEAD:refs/tags/y; g push -q origin :x :y
[ "$(g ls-remote origin x y | wc -l)" = 0 ] || fail "not deleted"
step "shallow clone, deepen"
g clone -q --depth 1 "$U/repo.git" "$WORK/three"
[ "$(g -C "$WORK/three" rev-list --count HEAD)" = 1 ] || fail "not shallow"
g -C "$WORK/three" fetch -q --unshallow
[ "$(g -C "$WORK/three" rev-list --count HEAD)" = "$(g rev-list --count HEAD)" ] || fail "still shallow"
step "old protocol versions"
for v in 0 1 2; do g -c protocol.version=$v ls-remote -q origin > "$WORK/refs$v"; done
cmp "$WORK/refs0" "$WORK/refs2"; cmp "$WORK/refs1" "$WORK/refs2"
step "an odd path, both URL styles"
g push -q "$U/odd d'd !\"x\$.git" main
GIT_SSH_COMMAND="$SSH" g clone -q "$AT:$BASE/odd d'd !\"x\$.git" "$WORK/four"
[ "$(g -C "$WORK/four" rev-parse HEAD)" = "$(g rev-parse HEAD)" ] || fail "odd path"
if [ "${ARCHIVE:-yes}" = yes ]; then
    step archive
    g archive --remote="$U/repo.git" main file | tar xO file | cmp - file
fi
step "what is not there"
g clone -q "$U/none.git" "$WORK/none" 2>/dev/null && fail "cloned nothing"
[ ! -e "$WORK/none" ] || fail "left something"
echo ok
