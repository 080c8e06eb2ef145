# shellcheck shell=bash
# Comes before the examples of a page. They run in a machine of their own as far as ports, processes, /srv and /etc go;
# what a person would type at a prompt is typed here.
#
# Set by the test: TREE (this tree, read only), TIDEGATE (the binary), WORK (a directory of the page).
set -euo pipefail
ip link set lo up
mount --bind "$TREE" "$TREE"
mount -o remount,bind,ro "$TREE"
mount -t tmpfs tmpfs /srv
mkdir -p "$WORK/etc" "$WORK/overlay" "$WORK/bin"
mount -t tmpfs tmpfs "$WORK/overlay"
mkdir "$WORK/overlay/upper" "$WORK/overlay/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$WORK/overlay/upper,workdir=$WORK/overlay/work" /etc
cat > /etc/ssh/ssh_config <<'SSH'
Host *
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
    NumberOfPasswordPrompts 1
    IdentityAgent none
SSH
ln -s "$TIDEGATE" "$WORK/bin/tidegate"
# A program of its own, so that rsync finds it.
printf '#!/bin/sh\nexec sshpass -e %s "$@"\n' "$(type -P ssh)" > "$WORK/bin/ssh"
chmod +x "$WORK/bin/ssh"
export PATH="$WORK/bin:$PATH" HOME=/srv/home SSHPASS=secret
mkdir -p "$HOME/.ssh"
cd "$TREE"

# Where the examples are, for the message of the one that fails.
step() { echo "== $1"; }

# Whether something is piped in.
is_piped() { [ -p /dev/stdin ] || [ -f /dev/stdin ]; }

# A server runs in the background, from when it listens until the next one begins or the page ends.
begin() {
    stop
    rm -f "$WORK/said"
    mkfifo "$WORK/said"
    "$@" > "$WORK/said" 2>&1 &
    server=$!
    exec 4< "$WORK/said"
    local line
    while IFS= read -r line <&4; do
        printf '%s\n' "$line" >> "$WORK/log"
        case $line in
        *'"listening"'*sftpd* | *sftpd*'"listening"'* | "Listening on"*)
            cat <&4 >> "$WORK/log" &
            return
            ;;
        esac
    done
    echo "the server did not start:"
    cat "$WORK/log"
    return 1
}

stop() {
    if [ -n "${server:-}" ]; then
        kill "$server"
        wait "$server" || true
        server=
    fi
}

tidegate() {
    case " $* " in
    *" serve "*" --log-file-path "* | " portable "*) begin "$TIDEGATE" "$@" ;;
    " serve "*) begin "$TIDEGATE" "$@" --log-file-path "" ;;
    *" --password-stdin "*) if is_piped; then "$TIDEGATE" "$@"; else printf secret | "$TIDEGATE" "$@"; fi ;;
    *) "$TIDEGATE" "$@" ;;
    esac
}

# What is built is there already.
cargo() {
    case "$1 $2" in
    "run --release") shift 3 && tidegate "$@" ;;
    "build --release") ;;
    *) command cargo "$@" ;;
    esac
}

# tests/guests/build has put the components aside.
cp() {
    local from=$1
    shift
    case $from in
    plugins/target/*) from=tests/.cache/guests/$(basename "$from" | tr _ -) ;;
    esac
    command cp "$from" "$@"
}

# Without commands of its own, a session asks where it is.
sftp() { if is_piped; then sshpass -e "$(type -P sftp)" "$@"; else echo pwd | sshpass -e "$(type -P sftp)" "$@"; fi; }
scp() { sshpass -e "$(type -P scp)" "$@"; }

# A configuration that has to be without fault.
checked() {
    mkdir -p /srv/checked
    rm -f /srv/checked/tidegate.*
    cat > "/srv/checked/tidegate.$1"
    "$TIDEGATE" config check -c /srv/checked
}

# For assertions: what must fail.
refused() { if "$@"; then echo "should have failed: $*" && return 1; fi; }
