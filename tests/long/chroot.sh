#!/usr/bin/env bash
# Proves the first two commands of the README on a bare Debian 12: debootstrap's minimal system in a scratch folder, this
# source tree copied in, ./bootstrap.sh as root, again (nothing may be installed or built), and ./bootstrap.sh test.
# Usage: chroot.sh SOURCE_DIR    Exit 77: cannot be run here. Needs root, debootstrap, git, apt sources of Debian 12.
set -euo pipefail

say() { echo "chroot: $*"; }
die() { say "FAILED: $*" >&2; exit 1; }
skip() { say "skipped: $*"; exit 77; }

if [[ ${1-} != --unshared ]]; then
    [[ $# -eq 1 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
    [[ $(id -u) -eq 0 ]] || skip "not root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    command -v git >/dev/null || skip "git is not installed"
    git -C "$1" rev-parse >/dev/null 2>&1 || skip "$1 is not a git checkout"
    unshare --mount true 2>/dev/null || skip "no right to mount here"
    # Mounts made in a namespace of our own cannot outlive us, however we end.
    exec unshare --mount bash "$0" --unshared "$1"
fi
source=$(realpath "$2")

# The machine's own mirror: whatever apt is configured with, in either format of sources.
# shellcheck disable=SC2016  # apt expands these
targets=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u)
mirror=$(awk '$2 == "bookworm" && $3 == "main" { print $1; exit }' <<<"$targets")
[[ -n $mirror ]] || skip "apt has no Debian 12 (bookworm) source here"

work=$(mktemp -d "${TMPDIR:-/tmp}/kvsim-chroot.XXXXXX")
root=$work/root
cleanup() {
    if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT

# inside DIR COMMAND...: in the bare system, with nothing of our environment but the proxy.
# shellcheck disable=SC2016  # the inner shell expands these
inside() {
    local dir=$1
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
        ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
        ${no_proxy:+"no_proxy=$no_proxy"} \
        chroot "$root" sh -c 'cd "$0" && exec "$@"' "$dir" "$@" </dev/null
}
megabytes() { du -smx "$1" | cut -f1; }
debs() { megabytes "$root/var/cache/apt/archives"; }

# step NAME COMMAND...: runs it, its output to NAME.out, and tells the time and the growth on disk.
step() {
    local name=$1 before started=$SECONDS
    shift
    before=$(megabytes "$root")
    "$@" >"$work/$name.out" 2>&1 || { tail -n 60 "$work/$name.out" >&2; die "$name"; }
    say "$name: $((SECONDS - started)) s, +$(($(megabytes "$root") - before)) MB"
}
# has NAME TEXT (in any case) / has_not NAME TEXT: what a step printed.
has() { grep -qiF -e "$2" "$work/$1.out" || { cat "$work/$1.out" >&2; die "$1 did not print '$2'"; }; }
has_not() { if grep -nF -e "$2" "$work/$1.out" >&2; then die "$1 printed '$2'"; fi; }

mkdir "$root"
step debootstrap debootstrap --variant=minbase bookworm "$root" "$mirror"
mount -t proc proc "$root/proc"
base_debs=$(debs)

# apt inside behaves as apt outside: sources, access, proxy and certificates, but no hooks of packages absent inside.
awk '$2 ~ /^bookworm/ { print "deb", $1, $2, $3 }' <<<"$targets" >"$root/etc/apt/sources.list"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99machine"
for file in /etc/apt/auth.conf /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d /etc/resolv.conf /etc/hosts; do
    if [[ -e $file ]]; then cp -rL "$file" "$root$(dirname "$file")/"; fi
done
if [[ -e /etc/ssl/certs/ca-certificates.crt && $targets == *https://* ]]; then
    mkdir -p "$root/etc/ssl/certs"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
fi

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
