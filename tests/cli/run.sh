#!/usr/bin/env bash
# Runs the cli tests of one file, as another build compiled them, with a program.
# Usage: run.sh TESTS PROGRAM NAME SKIPPED_CASES
set -euo pipefail
if [[ ! -x $1 ]]; then
    echo "skipped: $1 is not built; ./bootstrap.sh test builds it"
    exit 77
fi
KVSIM_BINARY=$2 exec "$1" --source-file="*/$3.cpp" --test-case-exclude="$4"
