#!/usr/bin/env bash
# scp -O (the old protocol): up and down, -r, -p, -3, globs, odd names, errors.
# GLOB=no if the server does not expand wildcards.  PORT2: a second server for -3, for the same USER, KEY and BASE.
. "$(dirname "$0")/lib.sh"
GLOB=${GLOB:-yes}; PORT2=${PORT2:-$PORT}
scp_() { timeout 120 $SCP -O -q "$@"; }
refused() { # the words after the first must fail and say the first
    local text=$1 out; shift; if out=$(scp_ "$@" 2>&1); then fail "did not fail: $*"; fi
    case $out in *"$text"*) ;; *) fail "scp $* said '$out', not '$text'";; esac; }
T="$AT:$BASE"; S="$WORK/src"
tree "$S"; find "$S" -type l -delete; chmod 640 "$S/big"; chmod 750 "$S/empty"; touch -d '2001-02-03 04:05:06' "$S/big"; touch -d '2002-03-04 05:06:07' "$S/empty"
remote_mkdir .; remote_mkdir sc
step "one file up and down, replaced by a shorter one"
scp_ "$S/big" "$T/sc/big"; scp_ "$T/sc/big" "$WORK/back"; cmp "$S/big" "$WORK/back"
scp_ "$S/a/one byte" "$T/sc/big"; scp_ "$T/sc/big" "$WORK/back"; cmp "$S/a/one byte" "$WORK/back"
scp_ "$S/zero" "$T/sc/zero"; scp_ "$T/sc/zero" "$WORK/zero"; [ -f "$WORK/zero" ] && [ ! -s "$WORK/zero" ] || fail "an empty file"
step "into a directory, several files, to the home directory"
scp_ "$S/big" "$T/sc"; scp_ "$S/zero" "$S/a/one byte" "$T/sc/"
scp_ "$T/sc/big" "$T/sc/zero" "$WORK/"; cmp "$S/big" "$WORK/big"
scp_ "$S/zero" "$AT:"; scp_ "$AT:zero" "$WORK/home.zero"
step "-r"
scp_ -r "$S" "$T/sc/tree"; scp_ -r "$T/sc/tree" "$WORK/tree"; same "$S" "$WORK/tree"
scp_ -r "$S" "$T/sc/tree"; scp_ -r "$T/sc/tree/src" "$WORK/tree2"; same "$S" "$WORK/tree2" # the second time it goes into it
step "-p"
scp_ -rp "$S" "$T/sc/kept"; scp_ -rp "$T/sc/kept" "$WORK/kept"; same "$S" "$WORK/kept"
for name in big empty; do
    [ "$(stat -c '%a %Y' "$WORK/kept/$name")" = "$(stat -c '%a %Y' "$S/$name")" ] || fail "-p $name: $(stat -c '%a %Y' "$WORK/kept/$name")"
done
step "odd names, quoted by the user as scp's old protocol wants it"
for name in "with space" "it's" 'dq"$HOME`id`' "semi;amp&pipe|<>()" "ünïcode ☃" "-dash" 'back\slash' "tilde~#!" '*?[x]{a,b}'; do
    quoted="'${name//\'/\'\"\'\"\'}'"      # Python's shlex.quote, so Ansible's
    escaped=$(printf %s "$name" | sed 's/[][ '\''"$`;&|<>(){}*?!#~\\]/\\&/g')
    printf '%s' "$name" > "$WORK/odd"
    scp_ "$WORK/odd" "$T/sc/$quoted"
    rm -f "$WORK/oddback"; scp_ -T "$T/sc/$quoted" "$WORK/oddback"; cmp "$WORK/odd" "$WORK/oddback" || fail "$name"
    rm -f "$WORK/oddback"; scp_ "$T/sc/$escaped" "$WORK/oddback" || fail "$name as $escaped"; cmp "$WORK/odd" "$WORK/oddback" || fail "$name"
    printf 'ls -1 "%s"\n' "$BASE/sc" | $SFTP -q -b - "$AT" | grep -qF -- "$name" || fail "$name has another name on the server"
done
step "a newline in a name is sent as \\^J"
nl=$'new\nline'; echo nl > "$WORK/$nl"; mkdir "$WORK/nl"; mv "$WORK/$nl" "$WORK/nl/"
scp_ -r "$WORK/nl" "$T/sc/nl"; scp_ -r "$T/sc/nl" "$WORK/nlback"; [ "$(cat "$WORK/nlback/new\\^Jline")" = nl ] || fail "newline: $(ls -b "$WORK/nlback")"
if [ "$GLOB" = yes ]; then
    step "wildcards"
    mkdir "$WORK/glob" "$WORK/globback"; for i in 1 2 3; do echo $i > "$WORK/glob/$i.txt"; done; echo x > "$WORK/glob/x.dat"
    scp_ -r "$WORK/glob" "$T/sc/glob"
    scp_ "$T/sc/glob/*.txt" "$WORK/globback/"; [ "$(ls "$WORK/globback" | tr '\n' ' ')" = "1.txt 2.txt 3.txt " ] || fail "glob: $(ls "$WORK/globback")"
    rm "$WORK/globback/"*; scp_ "$T/sc/glob/[12].t?t" "$WORK/globback/"; [ "$(ls "$WORK/globback" | wc -l)" = 2 ] || fail "glob: $(ls "$WORK/globback")"
    refused "No such file" "$T/sc/glob/none*" "$WORK/globback/"
fi
step "-3 between two servers"
scp3() { timeout 120 scp $OPTS -O -q -3 "$@"; }
A="scp://$AT:$PORT/$BASE/sc"; B="scp://$AT:$PORT2/$BASE/sc"
[ "$PORT" = "$PORT2" ] || for name in . sc; do printf -- '-mkdir "%s"\n' "$BASE/$name" | sftp $OPTS -P "$PORT2" -q -b - "$AT" >/dev/null 2>&1 || true; done
scp3 "$A/big" "$B/big3"; timeout 60 scp $OPTS -O -q "$B/big3" "$WORK/big3"; cmp "$S/big" "$WORK/big3"
scp3 -r -p "$A/tree" "$B/tree3"; timeout 60 scp $OPTS -O -q -r "$B/tree3" "$WORK/tree3"; rm -rf "$WORK/tree3/src"; same "$S" "$WORK/tree3"
step "what fails, fails, and says why"
refused "No such file" "$T/sc/none" "$WORK/x"
refused "No such file" "$S/big" "$T/sc/none/x"
refused "regular file" "$T/sc/tree" "$WORK/x"
refused "irectory" -r "$S" "$T/sc/big"
refused "irectory" "$S/big" "$T/sc/none/"
step "one that fails does not stop the others"
mkdir "$WORK/some"; scp_ "$T/sc/none" "$T/sc/zero" "$WORK/some/" 2>/dev/null && fail "no error"
[ -f "$WORK/some/zero" ] || fail "stopped"
step "1000 small files"
mkdir "$WORK/many"; for i in $(seq 1000); do echo "file $i" > "$WORK/many/f$i"; done
scp_ -r "$WORK/many" "$T/sc/many"; scp_ -r "$T/sc/many" "$WORK/manyback"; same "$WORK/many" "$WORK/manyback"
echo ok
