#!/bin/sh
# What table_of_clients.rs expects of every client, with Twisted's cftp. It has no resume.
set -eu
port=$1 local=$2
export HOME="$local/home" PYTHONWARNINGS=ignore
mkdir -p "$HOME/.ssh"
ssh-keyscan -p "$port" 127.0.0.1 2>/dev/null | sed "s/^\[127.0.0.1\]:$port /127.0.0.1 /" >"$HOME/.ssh/known_hosts"
cat >"$local/batch" <<COMMANDS
put $local/first put
get put $local/got
put $local/first over
put $local/second over
ln link put
ls
exit
COMMANDS
# At the end of its input it prints nothing more, so the input has none.
mkfifo "$local/input"
sshpass -p pw /usr/bin/cftp3 -a -p "$port" -b "$local/batch" alice@127.0.0.1 <>"$local/input" >"$local/output"
# The names come after the commands.
sed '1,/^cftp> ls/d' "$local/output" >"$local/listing"
