#!/bin/sh
# What table_of_clients.rs expects of every client, with curl.
set -eu
url=sftp://127.0.0.1:$1 local=$2
get() { /usr/bin/curl -q --silent --show-error --insecure --user alice:pw --max-time 60 "$@"; }
get --upload-file "$local/first" "$url/put"
get --output "$local/got" "$url/put"
get --upload-file "$local/first" "$url/over"
get --upload-file "$local/second" "$url/over"
get --continue-at - --upload-file "$local/first" "$url/half"
get --quote "symlink put /link" --list-only --output "$local/listing" "$url/"
