#!/usr/bin/env bash
# Takes pictures of every page of the web admin into tests/web/screens: for people to look at in a review, no part of tests/run.
# It needs what tests/run has built.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/environment
cargo nextest run --release --workspace --exclude tidegate-bench --run-ignored only -E 'test(=web::screens_are_taken)' "$@"
ls tests/web/screens
