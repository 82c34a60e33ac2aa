#!/usr/bin/env bash
# Proves the packages: cpack makes a DEB and a tarball of a build; on a bare Debian 12 the DEB is installed with what it
# depends on, the program runs, `kvsim demo` too, completions and manual page are in place, a program outside the tree is
# built against the installed library; then the DEB is removed and the tarball runs from a folder of its own.
# Usage: packages.sh BUILD_DIR SOURCE_DIR    Exit 77: cannot be run here. Needs root, debootstrap, apt sources of Debian 12.
set -euo pipefail

if [[ ${1-} != --unshared ]]; then
    [[ $# -eq 2 ]] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
    grep -q 'VERSION_ID="12"' /etc/os-release || { echo "packages: skipped: a package made here is not for Debian 12"; exit 77; }
fi
# shellcheck source-path=SCRIPTDIR source=bare_system.sh
source "$(dirname "$0")/bare_system.sh" packages "$@"
shift
build=$(realpath "$1")
source=$(realpath "$2")

# With CUDA kernels in it the library wants NVIDIA's toolkit to be linked, which no Debian has: a build without them then.
if grep -qiE '^if\((1|on|true)\)' "$build/kvsimConfig.cmake"; then
    step build_cmake cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DKVSIM_CUDA=OFF -DCMAKE_UNITY_BUILD=ON
    step build cmake --build "$work/build"
    build=$work/build
fi

step cpack cpack --config "$build/CPackConfig.cmake" -B "$work/made"
deb=$(find "$work/made" -maxdepth 1 -name 'kvsim_*.deb')
tarball=$(find "$work/made" -maxdepth 1 -name 'kvsim-*.tar.gz')
[[ -n $deb && -n $tarball ]] || die "cpack made no DEB or no tarball"
say "$(basename "$deb"): $(du -k "$deb" | cut -f1) kB; needs $(dpkg-deb -f "$deb" Depends)"
dpkg-deb --fsys-tarfile "$deb" | tar -tf - >"$work/files"
for wanted in ./usr/bin/kvsim ./usr/share/bash-completion/completions/kvsim ./usr/share/zsh/vendor-completions/_kvsim \
    ./usr/share/zsh/site-functions/_kvsim ./usr/share/fish/vendor_completions.d/kvsim.fish ./usr/share/man/man1/kvsim.1 \
    ./usr/lib/cmake/kvsim/kvsimConfig.cmake ./usr/include/kvsim/cli_main.h ./usr/share/kvsim/traces/chat.jsonl; do
    grep -qxF "$wanted" "$work/files" || die "the DEB has no $wanted"
done
cp "$deb" "$root/kvsim.deb"
cp "$tarball" "$root/kvsim.tar.gz"

step update inside / apt-get -q update
step install inside / env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install /kvsim.deb
[[ $(inside / kvsim --version) == "$("$build/apps/kvsim" --version)" ]] || die "the installed program is another one"
step replay inside / kvsim replay /usr/share/kvsim/traces/chat.jsonl --blocks 10% --model llama-3.1-8b
has replay "token hit rate"
mkdir "$root/tour"
step demo inside /tour kvsim demo
has demo "The trace: /tour/kvsim-demo.jsonl"
# shellcheck disable=SC2016  # the inner shell expands these
step completion inside / bash -c 'source /usr/share/bash-completion/completions/kvsim
    COMP_LINE="kvsim replay --eviction s3" COMP_POINT=26 COMP_WORDS=(kvsim replay --eviction s3) COMP_CWORD=3
    _kvsim && printf "%s\n" "${COMPREPLY[@]}"'
[[ $(cat "$work/completion.out") == s3_fifo ]] || die "bash completes --eviction s3 to '$(cat "$work/completion.out")'"

# A program of one's own, with Debian's packages that the DEB suggests for it.
step compiler inside / env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
    g++ cmake make libsimdjson-dev libfmt-dev libzstd-dev zlib1g-dev libssl-dev libhwy-dev
cp -r "$source/docs/own_strategy" "$root/own"
step own_cmake inside /own cmake -B build
step own_build inside /own cmake --build build
step own_list inside / /own/build/my_kvsim list evictions
has own_list "block/head_clock"

step remove inside / env DEBIAN_FRONTEND=noninteractive apt-get -q -y remove kvsim
if inside / sh -c 'command -v kvsim' >/dev/null; then die "kvsim is still there"; fi
mkdir "$root/opt/kvsim"
tar -C "$root/opt/kvsim" --strip-components=1 -xzf "$root/kvsim.tar.gz"
step tarball inside /tmp /opt/kvsim/bin/kvsim replay /opt/kvsim/share/kvsim/traces/chat.jsonl --blocks 10%
has tarball "token hit rate"
cp -r "$source/tests/package" "$root/consumer"
step consumer inside /consumer sh -c 'cmake -B build -DCMAKE_PREFIX_PATH=/opt/kvsim && cmake --build build && build/consumer'
say "passed"
