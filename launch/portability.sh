#!/usr/bin/env bash
# Shows that the bits of a run depend on neither the processor nor the C library: trains the same configurations with vectors
# of 256 bits, on emulated processors of other kinds, and in a root of another Debian, and compares the digests.
#
#   launch/portability.sh [--processors LIST] [--debian LIST] [--bundle ARCHIVE] [--program FILE]
#
# --processors: names of qemu-x86_64's -cpu with AVX2 and FMA, by default Haswell,EPYC; none: no emulation, which takes minutes.
# --debian: suites such as bookworm,trixie, each of which debootstrap installs into a temporary directory (a minute, 600 MB; as root).
# --bundle: what launch/install.sh --bundle made. It is unpacked in each of those roots, which get openmpi-bin and nothing else of
# what dtrain is built with, and also runs on 3 ranks there. Without it the program and Swift's libraries are copied there.
# --program: another dtrain than this repository's release build. Ends with 0 when all digests are equal, with 1 when not, with
# 64 on another option, with 69 where qemu-user is missing or debootstrap fails, with 77 without debootstrap or as another user.
set -euo pipefail
unset CDPATH

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
say() { printf 'portability.sh: %s\n' "$*" >&2; }

# shellcheck source=launch/roots.sh
. launch/roots.sh

processors=Haswell,EPYC debian='' bundle='' program=.build/release/dtrain
while (($# > 0)); do
    case $1 in
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --processors | --debian | --bundle | --program)
            if (($# < 2)) || [[ -z $2 ]]; then
                say "$1 takes a value; see launch/portability.sh --help"
                exit 64
            fi
            case $1 in
                --processors) processors=$2 ;;
                --debian) debian=$2 ;;
                --bundle) bundle=$2 ;;
                --program) program=$2 ;;
            esac
            shift 2
            ;;
        *)
            say "unknown option $1; see launch/portability.sh --help"
            exit 64
            ;;
    esac
done
if [[ ! -x $program ]]; then
    say "there is no program $program; build it: swift build -c release"
    exit 66
fi
program=$(realpath -- "$program")
if [[ $processors != none ]] && ! command -v qemu-x86_64 > /dev/null; then
    say "qemu-x86_64 isn't installed (Debian, Ubuntu: apt-get install qemu-user); without it: --processors none"
    exit 69
fi
if [[ -n $bundle && ! -f $bundle ]]; then
    say "there is no archive $bundle; make it: launch/install.sh --bundle"
    exit 66
fi
if [[ -n $bundle && -z $debian ]]; then
    say "--bundle wants --debian LIST, where it is to run"
    exit 64
fi
if [[ -n $debian ]]; then check_roots; fi

scratch=$(realpath -- "$(mktemp -d)")
trap 'rm -rf -- "$scratch"' EXIT

# Configurations whose data are there; the short ones are emulated too.
short=(digits) others=()
if [[ -d data/iris ]]; then short+=(iris); fi
for name in wine breast-cancer diabetes mnist-mlp; do
    if [[ -d data/${name%-mlp} ]]; then others+=("$name"); fi
done

# The digest of a configuration, trained by a command (an environment, an emulator).
digest() {
    local name=$1 steps=()
    shift
    if [[ $name == mnist-mlp ]]; then steps=(--steps 100); fi
    rm -rf -- "$scratch/run"
    "$@" train "configs/$name.yaml" --run "$scratch/run" --quiet --no-mpi "${steps[@]}" | sed -n 's/^digest //p'
}

# The same on an emulated processor; what qemu says of features that it leaves out is shown only where no digest comes of it.
emulated() {
    if digest "$1" qemu-x86_64 -cpu "$2" "$program" 2> "$scratch/log"; then return; fi
    tail -n 5 "$scratch/log" >&2
}

declare -A expected
failed=0
compare() {
    local where=$1 name=$2 found=$3 word=equal
    if [[ -z $found || $found != "${expected[$name]}" ]]; then
        word="DIFFERS from ${expected[$name]}"
        failed=1
    fi
    printf '%-38s %-14s %.16s… %s\n' "$where" "$name" "${found:-none}" "$word"
}

for name in "${short[@]}" ${others[@]+"${others[@]}"}; do
    expected[$name]=$(digest "$name" "$program")
    if [[ -z ${expected[$name]} ]]; then
        say "$program can't train configs/$name.yaml here"
        exit 1
    fi
    compare "this machine" "$name" "${expected[$name]}"
    compare "vectors of 256 bits" "$name" "$(digest "$name" env DTRAIN_SIMD=256 "$program")"
done
if [[ $processors != none ]]; then
    IFS=, read -ra names <<< "$processors"
    for processor in "${names[@]}"; do
        for name in "${short[@]}"; do
            compare "qemu -cpu $processor" "$name" "$(emulated "$name" "$processor")"
        done
    done
fi

# Makes a root of Debian $1 with the program in it, as /usr/bin/dtrain.
prepare_root() {
    local library packages=openmpi-bin
    if [[ -n $bundle ]]; then
        make_root "$1" "$root" "$packages"
        mkdir "$root/opt/dtrain"
        tar -xzf "$bundle" --strip-components=1 -C "$root/opt/dtrain"
        ln -s /opt/dtrain/bin/dtrain "$root/usr/bin/dtrain"
    else
        packages+=,zlib1g,libstdc++6,libjpeg62-turbo
        if [[ $1 == bookworm ]]; then packages+=,libssl3,libpng16-16; else packages+=,libssl3t64,libpng16-16t64; fi
        make_root "$1" "$root" "$packages"
        # Swift's own libraries come along; all others are that Debian's.
        while read -r library; do
            install -D -- "$library" "$root$library"
        done < <(ldd "$program" | sed -n 's/.*=> \(.*\/swift\/.*\.so\) .*/\1/p')
        install -D -- "$program" "$root/usr/bin/dtrain"
    fi
    mkdir -p "$root/trial"
    cp -rL configs "$root/trial/"
    if [[ -d data ]]; then cp -rL data "$root/trial/"; fi
}

# The digest of a configuration, trained in the root with further options.
rooted() {
    local name=$1 options=(--run run --quiet)
    if [[ $name == mnist-mlp ]]; then options+=(--steps 100); fi
    in_root "$root" /bin/sh -c 'cd /trial && rm -rf run && exec dtrain "$@"' sh train "configs/$name.yaml" "${options[@]}" \
        "${@:2}" | sed -n 's/^digest //p'
}

IFS=, read -ra suites <<< "$debian"
for suite in ${suites[@]+"${suites[@]}"}; do
    root=$scratch/$suite
    prepare_root "$suite"
    where="Debian $suite, glibc $(chroot "$root" ldd --version | sed -n '1s/.* //p')"
    for name in "${short[@]}" ${others[@]+"${others[@]}"}; do
        compare "$where" "$name" "$(rooted "$name" --no-mpi)"
    done
    if [[ -n $bundle ]]; then compare "$where, 3 ranks" digits "$(rooted digits --ranks 3)"; fi
    rm -rf -- "$root"
done
exit $failed
