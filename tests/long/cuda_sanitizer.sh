#!/usr/bin/env bash
# The tests of kernels on a GPU under compute-sanitizer: addresses, races in shared memory, what is not initialized,
# barriers. Never run on a GPU so far.
# Usage: cuda_sanitizer.sh KVSIM KERNEL_TESTS   Skipped (77) without a GPU or without compute-sanitizer.
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
kvsim=$1
tests=$2

skip() {
    echo "cuda_sanitizer: skipped: $*"
    exit 77
}

backends=$("$kvsim" list backends)
if grep -A1 '^ *cuda ' <<<"$backends" | grep 'not available'; then skip "no GPU, so no kernel was run on one"; fi
command -v compute-sanitizer >/dev/null || skip "compute-sanitizer is not on PATH"

for tool in memcheck racecheck initcheck synccheck; do
    echo "cuda_sanitizer: $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$tests" --test-case-exclude='*emulator*'
done
