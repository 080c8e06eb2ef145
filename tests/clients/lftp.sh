#!/usr/bin/env bash
# lftp over sftp with a key: mirror up and down, deletes both ways, continue, rename, chmod, parallel transfers.
. "$(dirname "$0")/lib.sh"
# lftp adds "-l USER -p PORT HOST -s sftp" to the connect-program.  The password must be there, or lftp asks for one; it is not used.
cat > "$WORK/lftprc" <<X
set cmd:fail-exit yes
set net:max-retries 1
set net:timeout 60
set net:persist-retries 0
set sftp:auto-confirm yes
set sftp:connect-program "ssh -a -x $OPTS"
set xfer:clobber yes
open -u $USER,unused sftp://$HOST:$PORT
X
l() { { cat "$WORK/lftprc"; cat; echo quit; } > "$WORK/script"; timeout 120 lftp --norc -f "$WORK/script" || fail "lftp"; }
S="$WORK/src"; tree "$S"; chmod 640 "$S/big"; touch -d '2001-02-03 04:05:06' "$S/big"
rm "$S/it's \"quoted\" "*; rm "$S/back\\slash" # lftp's own quoting, not the server's matter
step "mirror -R"
l <<X
mkdir -p $BASE/lf
mirror -R $S $BASE/lf/tree
X
step "mirror back"
l <<X
mirror $BASE/lf/tree $WORK/back
X
same "$S" "$WORK/back"
[ "${TIMES:-}" = no ] || [ "$(stat -c '%a %Y' "$WORK/back/big")" = "$(stat -c '%a %Y' "$S/big")" ] || fail "mode or time: $(stat -c '%a %Y' "$WORK/back/big")"
step "nothing left to do"
[ "${TIMES:-}" != no ] || SIZES="--ignore-time"
l > "$WORK/log" <<X
mirror -R --verbose --dry-run --delete ${SIZES:-} $S $BASE/lf/tree
X
grep -E '^(put|get|rm|mkdir|chmod|ln)' "$WORK/log" | grep -v '^mkdir -p .*/tree$' && fail "left to do" || true
step "mirror -R --delete, in parallel"
rm -r "$S/a/b c" "$S/zero"; rmdir "$S/empty"; echo new > "$S/new"; for i in $(seq 200); do echo $i > "$S/ünïcode ☃/$i"; done
l <<X
mirror -R --delete --parallel=4 $S $BASE/lf/tree
X
step "mirror --delete"
l <<X
mirror --delete --parallel=4 $BASE/lf/tree $WORK/back
X
same "$S" "$WORK/back"
step "a large file in segments, an upload that is continued"
head -c 3000000 "$S/big" > "$WORK/part"
l <<X
pget -n 4 -O $WORK $BASE/lf/tree/big
put $WORK/part -o $BASE/lf/cont
put -c $S/big -o $BASE/lf/cont
get $BASE/lf/cont -o $WORK/cont
X
cmp "$S/big" "$WORK/big"; cmp "$S/big" "$WORK/cont"
step "rename, chmod, remove"
l > "$WORK/log" <<X
mv $BASE/lf/cont $BASE/lf/moved
chmod 600 $BASE/lf/moved
cls -l $BASE/lf
rm $BASE/lf/moved
rm -r $BASE/lf/tree
X
[ "${MODES:-}" = no ] || grep -q '^-rw-------.*moved' "$WORK/log" || fail "moved: $(cat "$WORK/log")"
l > "$WORK/log" <<X
cls $BASE/lf/
X
[ ! -s "$WORK/log" ] || fail "not removed: $(cat "$WORK/log")"
step "what fails, fails"
(l <<X
get $BASE/none -o $WORK/none
X
) > "$WORK/log" 2>&1 && fail "no error"
grep -q 'none' "$WORK/log" || fail "no message: $(cat "$WORK/log")"
echo ok
