#!/usr/bin/env bash
# Makes sure that everything dtrain is built from is there. As root on Debian or Ubuntu it installs what is missing;
# otherwise it prints the command that does and ends with 69. When nothing is missing it returns at once.
#
#   launch/setup.sh --tests    also installs what launch/test.sh uses and can do without, where it can: shellcheck, and for
#                              launch/lab.sh openssh-server and iproute2 (not under systemd, which would start an sshd)
set -euo pipefail
unset CDPATH

if (($# > 1)) || [[ ${1:---tests} != --tests ]]; then
    echo "setup.sh: usage: launch/setup.sh [--tests]" >&2
    exit 64
fi

readonly packages_of_debian=(git pkg-config openmpi-bin libopenmpi-dev libopenblas-dev zlib1g-dev libssl-dev libpng-dev
    libjpeg-dev)
readonly oldest_swift=6

say() { printf 'setup.sh: %s\n' "$*" >&2; }

# Whether the thing that Debian's package $1 brings is usable, whoever installed it.
is_there() {
    case $1 in
        git) command -v git > /dev/null ;;
        pkg-config) command -v pkg-config > /dev/null ;;
        openmpi-bin) command -v mpirun > /dev/null ;;
        libopenmpi-dev) pkg-config --exists ompi-c 2> /dev/null ;;
        libopenblas-dev) pkg-config --exists openblas 2> /dev/null ;;
        zlib1g-dev) pkg-config --exists zlib 2> /dev/null ;;
        libssl-dev) pkg-config --exists libcrypto 2> /dev/null ;;
        libpng-dev) pkg-config --exists libpng 2> /dev/null ;;
        libjpeg-dev) pkg-config --exists libjpeg 2> /dev/null ;;
        *) return 1 ;;
    esac
}

# Sets `missing` to the packages that aren't usable.
find_missing() {
    local package
    missing=()
    for package in "${packages_of_debian[@]}"; do
        is_there "$package" || missing+=("$package")
    done
}

# Installs packages, or fails; what apt-get says goes to `log`.
install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    say "installing $*"
    # A fresh container has no package lists, an old one outdated ones: only then are they fetched.
    apt-get install -y -q --no-install-recommends "$@" > "$log" 2>&1 && return 0
    apt-get update -q >> "$log" 2>&1 || true
    apt-get install -y -q --no-install-recommends "$@" >> "$log" 2>&1
}

make_log() {
    log=$(realpath -- "$(mktemp)")
    trap 'rm -f "$log"' EXIT
}

missing=()
find_missing
if ((${#missing[@]} > 0)); then
    if ! command -v apt-get > /dev/null; then
        say "missing: ${missing[*]} (the names of Debian's packages); install what brings them on this system:" \
            "Open MPI 4, OpenBLAS, zlib, OpenSSL, libpng and libjpeg-turbo with headers and pkg-config files"
        exit 69
    fi
    if ((EUID != 0)); then
        say "missing: ${missing[*]}; install with: sudo apt-get update && sudo apt-get install -y ${missing[*]}"
        exit 69
    fi
    make_log
    if ! install_packages "${missing[@]}"; then
        tail -n 15 "$log" >&2
        say "these packages can't be installed (apt-get's last words above): ${missing[*]}"
        exit 69
    fi
    find_missing
    if ((${#missing[@]} > 0)); then
        say "installed, but still not usable: ${missing[*]} (is another pkg-config or mpirun in front on the PATH?)"
        exit 69
    fi
fi

if [[ ${1:-} == --tests ]] && ((EUID == 0)) && command -v apt-get > /dev/null; then
    wanted=()
    command -v shellcheck > /dev/null || wanted+=(shellcheck)
    if [[ ! -d /run/systemd/system ]]; then
        [[ -x /usr/sbin/sshd ]] || wanted+=(openssh-server)
        [[ -x /usr/sbin/ip || -x /sbin/ip ]] || wanted+=(iproute2)
    fi
    if ((${#wanted[@]} > 0)); then
        make_log
        install_packages "${wanted[@]}" || say "these can't be installed; what uses them will be skipped: ${wanted[*]}"
    fi
fi

if ! command -v swift > /dev/null; then
    say "no Swift toolchain on the PATH; dtrain needs Swift $oldest_swift or newer from https://www.swift.org/install"
    exit 69
fi
if ! version=$(swift --version 2>&1); then
    say "\"swift --version\" fails: $(head -n 1 <<< "$version")"
    exit 69
fi
if [[ $version =~ Swift\ version\ ([0-9]+) ]] && ((BASH_REMATCH[1] < oldest_swift)); then
    say "dtrain needs Swift $oldest_swift or newer (https://www.swift.org/install); this is" \
        "$(head -n 1 <<< "$version")"
    exit 69
fi
