# shellcheck shell=bash disable=SC2034  # what it sets is used by the scripts that source it
# A bare Debian 12 in a scratch folder, for the tests that prove what happens on somebody else's machine. Sourced with the
# name of the test and the arguments of the script:  source bare_system.sh NAME "$@"
# After it: $root is the system, inside/step/has/has_not work on it. Exit 77: cannot be done here. Needs root,
# debootstrap, apt sources of Debian 12.
test_name=$1
shift

say() { echo "$test_name: $*"; }
die() { say "FAILED: $*" >&2; exit 1; }
skip() { say "skipped: $*"; exit 77; }

if [[ ${1-} != --unshared ]]; then
    [[ $(id -u) -eq 0 ]] || skip "not root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    unshare --mount true 2>/dev/null || skip "no right to mount here"
    # Mounts made in a namespace of our own cannot outlive us, however we end.
    exec unshare --mount bash "$0" --unshared "$@"
fi
shift

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
