#!/bin/sh
# run.sh BINARY CORPUS RUNS: a fixed number of libFuzzer runs from the committed seeds. The corpus is copied first, so
# that the tree stays as it is; a crash leaves its input in the build folder and fails the test.
set -eu
binary=$1
corpus=$2
runs=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$corpus" ] && cp -r "$corpus/." "$work/"
exec_options="-runs=$runs -seed=1 -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0"
# shellcheck disable=SC2086
"$binary" $exec_options -artifact_prefix="$(pwd)/" "$work"
