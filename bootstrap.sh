#!/bin/sh
# From a bare Debian 12 to a running kvsim, in one command. POSIX sh, because such a machine has no bash-only tools,
# sudo, git, make, cmake or python to start from. README's "by hand" section has the same steps as plain commands.
set -eu

# What the product is built with.
build="g++ cmake ninja-build pkg-config
       libcli11-dev nlohmann-json3-dev libsimdjson-dev libfmt-dev libzstd-dev zlib1g-dev libssl-dev libhwy-dev
       libjs-chart.js"
# What the tests add: their libraries, clang for the sanitizers and libFuzzer, validators of JSON and XML schemas.
test="doctest-dev librapidcheck-dev libbenchmark-dev clang-14 libclang-rt-14-dev
      python3-minimal python3-jsonschema libxml2-utils zstd"
tidy="clang-14 clang-tidy-14"
# What the long checks add: git lists the files that tests/long/chroot.sh carries into its bare system, chromium opens the
# pages of tests/long/page.py, dpkg-dev and file are what cpack makes a DEB with.
long="debootstrap git chromium dpkg-dev file"

usage() {
    cat <<END
Usage: ./bootstrap.sh [MODE]

Installs what is missing (Debian packages), then runs the CMake workflow of that name.

  demo      build the product and replay a sample trace (default)
  test      build and run the quick tests
  long      run the long tests, plain and under the sanitizers
  asan      quick tests under clang's address and undefined-behaviour sanitizers
  tsan      quick tests under the thread sanitizer
  tidy      clang-tidy over every source
  coverage  quick tests, instrumented for gcov
END
}

say() { echo "bootstrap: $*" >&2; }
die() { say "$@"; exit 1; }

[ $# -le 1 ] || { usage >&2; exit 2; }
mode=${1:-demo}
case $mode in
    demo) want=$build ;;
    test | asan | tsan | coverage) want="$build $test" ;;
    tidy) want="$build $tidy" ;;
    long) want="$build $test $long" ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
cd "$(dirname "$0")"

missing=
for package in $want; do
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true) in
        ?i*) ;;
        *) missing="$missing $package" ;;
    esac
done

# apt is called only when something is missing: later runs need neither the network nor root.
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null ||
        die "there is no apt-get here; please install these (Debian's names):$missing
bootstrap: then run: cmake --workflow --preset $mode"
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "not root and no sudo here; please have these installed:$missing"
        sudo=sudo
    fi
    # shellcheck disable=SC2086  # a list of names, and a sudo that may be nothing
    apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"; }

    mkdir -p build
    log=build/apt.log
    say "installing (log: $log):$missing"
    # One broken third-party list fails the update; the install can still work and tells what matters.
    apt update >"$log" 2>&1 || say "apt-get update failed; trying with the package lists at hand"
    # shellcheck disable=SC2086
    if ! apt install -y --no-install-recommends $missing >>"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        die "apt-get could not install:$missing (Debian 12's packages, see $log; is the network there?)"
    fi
fi

version=$(cmake --version | sed -n '1s/.* //p')
printf '%s\n' 3.25 "$version" | sort -V -C || die "CMake 3.25 or newer is needed for workflow presets; this is $version"

if [ "$mode" = long ]; then
    cmake --workflow --preset long
    exec cmake --workflow --preset long-asan
fi
# Under sanitizers the cli tests of the release build start the program.
case $mode in
    asan | tsan) cmake --preset test >/dev/null && cmake --build --preset test --target kvsim_cli_tests ;;
esac
exec cmake --workflow --preset "$mode"
