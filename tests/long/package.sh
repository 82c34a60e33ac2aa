#!/usr/bin/env bash
# Installs a build into a scratch prefix, then uses only what was installed: a program built against the library
# with find_package(kvsim), the example of docs/OWN_STRATEGY.md as that page builds it, and the kvsim binary.
# Usage: package.sh BUILD_DIR SOURCE_DIR   (a build without sanitizers: a consumer would have to link their runtime)
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
build=$(realpath "$1")
source=$(realpath "$2")

die() {
    echo "package: $*" >&2
    exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/kvsim-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log"

# The consumer's source is copied out, so that no path of the tree can help it.
cp -r "$source/tests/package" "$work/consumer"
cmake -S "$work/consumer" -B "$work/consumer-build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/consumer-build"
"$work/consumer-build/consumer"

# What is linked in privately need not be there to compile against.
if grep -rnE '#[[:space:]]*include[[:space:]]*[<"](fmt|simdjson|nlohmann|CLI|zstd|zlib|openssl|hwy|kernels/(cpu|device|cuda|emu))' "$prefix/include"; then
    die "the installed headers above include headers of other libraries"
fi
# Every header can be the first and only one that a source includes.
headers=$(cd "$prefix/include" && find . -name '*.h' | sed 's|^\./||' | sort)
started=$SECONDS
# shellcheck disable=SC2016  # the inner shell expands these
xargs -P "$(nproc)" -I{} sh -c 'printf "#include <%s>\n" "$1" | "$2" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I"$3" -x c++ - ||
    { echo "package: $1 does not compile alone" >&2; exit 255; }' sh {} "${CXX:-c++}" "$prefix/include" <<<"$headers" ||
    die "a header needs another one before it"
echo "headers: $(wc -l <<<"$headers") compile alone, $((SECONDS - started)) s"
for file in bin/kvsim share/bash-completion/completions/kvsim share/zsh/site-functions/_kvsim share/man/man1/kvsim.1; do
    [[ -f $prefix/$file ]] || die "$file is not installed"
done
grep -q 'Chart.js Contributors' "$prefix"/share/doc/*/copyright || die "no copyright file names what pages carry"
[[ -f $prefix/include/kvsim/cli_main.h ]] || die "cli_main.h is not installed"

# A strategy from outside: listed, compared with all others by default, chosen by name, its parameters checked.
cp -r "$source/docs/own_strategy" "$work/own"
cmake -S "$work/own" -B "$work/own-build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" \
    -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON
cmake --build "$work/own-build"
own=$work/own-build/my_kvsim
trace=$prefix/share/kvsim/traces/chat.jsonl
"$own" list evictions >"$work/list"
grep -q 'block/head_clock ' "$work/list" || die "list evictions does not know head_clock"
if "$prefix/bin/kvsim" list evictions | grep head_clock; then die "the installed kvsim has head_clock"; fi
"$own" compare "$trace" --quiet --report "$work/all.json" >"$work/all"
"$own" compare "$trace" --quiet --eviction fifo,head_clock:heads=2 --accounting pinned,flat,tree --blocks 5%,20% \
    --verify --report "$work/chosen.json" >"$work/chosen"
grep -q '^ *head_clock ' "$work/all" || die "the table of compare has no head_clock"
python3 - "$work/all.json" head_clock 5 "$work/chosen.json" head_clock:heads=2 6 <<'CHECK'
import json, sys
arguments = sys.argv[1:]
for path, strategy, count in zip(arguments[::3], arguments[1::3], arguments[2::3]):
    cells = [c for c in json.load(open(path))["cells"] if c["axes"].get("eviction") == strategy]
    assert len(cells) == int(count), f"{path}: {len(cells)} cells of {strategy}, expected {count}"
    for c in cells:
        assert c["status"] == "ok", f"{path}: {c['axes']}: {c['status']}"
        assert c["difference"]["verdict"], f"{path}: {c['axes']}: no verdict"
CHECK
refused() {  # WHAT EVICTION
    local code=0
    "$own" replay "$trace" --blocks 10% --eviction "$2" >"$work/refused" 2>&1 || code=$?
    [[ $code -eq 2 ]] || die "$2: exit code $code, expected 2"
    grep -qF "$1" "$work/refused" || die "$2: expected '$1', found: $(cat "$work/refused")"
}
refused "'head_clock' has no parameter 'head' (did you mean 'heads'?); known: heads" head_clock:head=2
refused "head_clock: parameter heads=-1: expected a whole number from 0 to 1000000" head_clock:heads=-1
refused "unknown block strategy (--eviction) 'head_clok' (did you mean 'head_clock'?)" head_clok

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
