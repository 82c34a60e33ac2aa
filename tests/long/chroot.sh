#!/usr/bin/env bash
# Proves the first two commands of the README on a bare Debian 12: debootstrap's minimal system in a scratch folder, this
# source tree copied in, ./bootstrap.sh as root, again (nothing may be installed or built), and ./bootstrap.sh test.
# Usage: chroot.sh SOURCE_DIR    Exit 77: cannot be run here. Needs root, debootstrap, git, apt sources of Debian 12.
set -euo pipefail

if [[ ${1-} != --unshared ]]; then
    [[ $# -eq 1 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
    command -v git >/dev/null || { echo "chroot: skipped: git is not installed"; exit 77; }
    git -C "$1" rev-parse >/dev/null 2>&1 || { echo "chroot: skipped: $1 is not a git checkout"; exit 77; }
fi
# shellcheck source-path=SCRIPTDIR source=bare_system.sh
source "$(dirname "$0")/bare_system.sh" chroot "$@"
shift
source=$(realpath "$1")

# The tree as a clone would have it, uncommitted work included; files deleted but not yet committed are left out.
mkdir "$root/src"
git -C "$source" ls-files -coz --exclude-standard |
    while IFS= read -r -d '' file; do
        if [[ -e $source/$file ]]; then printf '%s\0' "$file"; fi
    done |
    tar -C "$source" --null -T - -cf - | tar -C "$root/src" --no-same-owner -xf -

for tool in sudo git make cmake ninja g++ python3 curl; do
    if inside / sh -c "command -v $tool" >/dev/null; then die "$tool is there: the system is not bare"; fi
done
say "bare: no sudo, git, make, cmake, ninja, g++, python3, curl"

# Someone who may not install is told what to ask for.
if inside /src setpriv --reuid=65534 --regid=65534 --clear-groups ./bootstrap.sh >"$work/user.out" 2>&1; then
    die "bootstrap.sh went on as a user who cannot install"
fi
has user "not root and no sudo here"
has user "libcli11-dev"

step first inside /src ./bootstrap.sh
say "first: $(($(debs) - base_debs)) MB of packages downloaded"
base_debs=$(debs)
has first "bootstrap: installing"
has first "hit rate"

# From here an apt-get that is called leaves a trace and fails; the test step gets the real one back.
mkdir "$root/trap"
printf '#!/bin/sh\necho "apt-get $*" >>/trap/called\nexit 1\n' >"$root/trap/apt-get"
chmod +x "$root/trap/apt-get"
built=$(stat -c %y "$root/src/build/release/apps/kvsim")
step second inside /src env PATH=/trap:/usr/sbin:/usr/bin:/sbin:/bin ./bootstrap.sh
[[ ! -e $root/trap/called ]] || die "apt-get was called again: $(cat "$root/trap/called")"
has_not second "bootstrap: installing"
has second "ninja: no work to do."
has second "hit rate"
[[ $(stat -c %y "$root/src/build/release/apps/kvsim") == "$built" ]] || die "the second run built kvsim again"

step test inside /src ./bootstrap.sh test
say "test: $(($(debs) - base_debs)) MB of packages downloaded"
has test "100% tests passed"
grep -E '^[0-9]+% tests passed' "$work/test.out"
say "passed"
