#!/usr/bin/env bash
# Installs a build into a scratch prefix, then uses only what was installed: a program built against the library
# with find_package(kvsim), and the kvsim binary.
# Usage: package.sh BUILD_DIR SOURCE_DIR   (a build without sanitizers: a consumer would have to link their runtime)
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
build=$(realpath "$1")
source=$(realpath "$2")

work=$(mktemp -d "${TMPDIR:-/tmp}/kvsim-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log"

# The consumer's source is copied out, so that no path of the tree can help it.
cp -r "$source/tests/package" "$work/consumer"
cmake -S "$work/consumer" -B "$work/consumer-build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/consumer-build"
"$work/consumer-build/consumer"

# An installed file that names the tree it was built in would break on any other machine.
if grep -rIlF -e "$source/" -e "$build/" "$prefix"; then
    echo "package: the files above name the source or build tree" >&2
    exit 1
fi

config=$(find "$prefix" -name kvsimConfigVersion.cmake)
expected=$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")$/\1/p' "$config")
printed=$("$prefix/bin/kvsim" --version)
echo "installed: $printed"
[[ -n $expected && $printed == *"$expected"* ]] || {
    echo "package: kvsim --version says '$printed', the package says '$expected'" >&2
    exit 1
}
