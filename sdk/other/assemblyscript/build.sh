#!/bin/sh
# Makes external_auth.wasm. ASC: the compiler, such as that of npm (npm install assemblyscript@0.28.20; ASC="npx asc").
set -eu
cd "$(dirname "$0")"
out=${1:-.}
${ASC:-npx asc} external_auth.ts --runtime stub --use abort=external_auth/aborted -O \
    --outFile "$out/external_auth.core.wasm"
"${TIDEGATE:-tidegate}" plugin component "$out/external_auth.core.wasm" --output "$out/external_auth.wasm"
rm "$out/external_auth.core.wasm"
