# shellcheck shell=bash
# What launch/portability.sh and launch/dockerfile.sh know of roots of other systems. It isn't run but read by those scripts, whose
# `say` it uses.

# Ends with 77 where this user or machine can make no roots.
check_roots() {
    if ((EUID != 0)); then
        say "roots of other systems can be made by root only"
        exit 77
    fi
    if ! command -v debootstrap > /dev/null; then
        say "debootstrap isn't installed (Debian, Ubuntu: apt-get install debootstrap)"
        exit 77
    fi
}

# make_root SUITE FOLDER [PACKAGES]: installs a small Debian into FOLDER, with further packages (a list with commas).
make_root() {
    local log options=(--variant=minbase)
    log=$(mktemp)
    if [[ -n ${3:-} ]]; then options+=("--include=$3"); fi
    if ! debootstrap "${options[@]}" "$1" "$2" > "$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f -- "$log"
        say "debootstrap can't install Debian $1 (its last words above)"
        exit 69
    fi
    rm -f -- "$log"
}

# in_root FOLDER COMMAND…: runs a command in a root, with its own processes, /proc and /sys; what runs on, and what is mounted, ends with
# it. It has 64 MB of /dev/shm, as a container has by default, or ROOT_SHM; is root's there or ROOT_USER's; works in / or
# in ROOT_DIRECTORY; and has ROOT_FOLDERS, folders of this machine with colons between them, at the same paths.
in_root() {
    # shellcheck disable=SC2016 # for the shell there
    unshare --mount --pid --fork --kill-child /bin/sh -c '
        root=$1 size=$2 user=$3 directory=$4 folders=$5
        shift 5
        mount --rbind /dev "$root/dev" && mount -t tmpfs -o "size=$size,mode=1777" tmpfs "$root/dev/shm" \
            && mount -t proc proc "$root/proc" && mount -t sysfs -o ro sysfs "$root/sys" || exit 69
        set -f
        IFS=:
        for folder in $folders; do
            mkdir -p "$root$folder" && mount --bind -o ro "$folder" "$root$folder" || exit 69
        done
        unset IFS
        exec chroot --userspec="$user" "$root" /bin/sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$directory" "$@"' \
        sh "$1" "${ROOT_SHM:-64m}" "${ROOT_USER:-root}" "${ROOT_DIRECTORY:-/}" "${ROOT_FOLDERS:-}" "${@:2}"
}
