#!/bin/sh
# Makes external_auth.wasm. ZIG: the compiler, such as that of PyPI (pip install ziglang==0.17.1; ZIG="python-zig").
set -eu
cd "$(dirname "$0")"
out=${1:-.}
${ZIG:-zig} build-exe external_auth.zig -target wasm32-freestanding -fno-entry -rdynamic -O ReleaseSmall \
    -femit-bin="$out/external_auth.core.wasm" --cache-dir "$out/.zig-cache"
"${TIDEGATE:-tidegate}" plugin component "$out/external_auth.core.wasm" --output "$out/external_auth.wasm"
rm "$out/external_auth.core.wasm"
