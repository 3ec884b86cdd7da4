#!/usr/bin/env bash
# Has libFuzzer look for files that end dtrain's readers: traps, memory beyond 1 GiB, more than 5 seconds for one file.
#
#   launch/fuzz.sh [TARGET...] [--seconds S | --runs N] [--address] [--corpus FOLDER] [--build FOLDER]
#
# TARGET     what is read: yaml, safetensors, csv, png ... (all, one after the other); the seeds of each are in
#            Tests/Fuzzing/Seeds/TARGET
# --seconds  how long each target runs (60)
# --runs     how many files each target reads, instead
# --address  under AddressSanitizer too, which sees reads beyond the end of memory; half as fast
# --corpus   where files that reached something new are kept and read first the next time (.build-fuzz/corpus)
# --build    the build folder (.build-fuzz)
#
# Prints a line per target. Ends with 0 when nothing was found, with 1 when something was, and names the file, which
# belongs among the seeds once its cause is mended; with 64 on another option, 66 where the toolchain has no libFuzzer.
# For every night: launch/fuzz.sh --seconds 1200
set -euo pipefail

say() { printf 'fuzz.sh: %s\n' "$*" >&2; }

limit=(-max_total_time=60)
options=(-c release)
wanted=()
build=.build-fuzz
corpus=
while (($# > 0)); do
    case $1 in
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --seconds | --runs)
            if [[ ! ${2:-} =~ ^[1-9][0-9]{0,14}$ ]]; then
                say "$1 takes a whole number of 1 or more, as in $1 60; found \"${2:-}\""
                exit 64
            fi
            if [[ $1 == --runs ]]; then limit=(-runs="$2"); else limit=(-max_total_time="$2"); fi
            shift
            ;;
        --address) options+=(--sanitize=address) ;;
        --corpus | --build)
            if [[ -z ${2:-} ]]; then
                say "$1 takes a folder"
                exit 64
            fi
            if [[ $1 == --build ]]; then build=$2; else corpus=$(realpath -m -- "$2"); fi
            shift
            ;;
        -*)
            say "unknown option $1; see launch/fuzz.sh --help"
            exit 64
            ;;
        *) wanted+=("$1") ;;
    esac
    shift
done

build=$(realpath -m -- "$build")
corpus=${corpus:-$build/corpus}
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath" *: *"\(.*\)".*/\1/p')
DTRAIN_FUZZER=$resources/clang/lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a
export DTRAIN_FUZZER
if [[ ! -f $DTRAIN_FUZZER ]]; then
    say "this toolchain has no libFuzzer: $DTRAIN_FUZZER isn't there; take one from swift.org"
    exit 66
fi
launch/setup.sh
# A sanitizer is another build.
if [[ ${#options[@]} -gt 2 ]]; then scratch=$build/address; else scratch=$build/plain; fi
if ! swift build "${options[@]}" --scratch-path "$scratch" --product fuzz-readers; then
    say "the build failed"
    exit 1
fi
program=$(realpath -- "$scratch/release/fuzz-readers")

declare -A largest
all=()
while read -r name bytes; do
    all+=("$name")
    largest[$name]=$bytes
done < <("$program")
for name in "${wanted[@]}"; do
    if ! printf '%s\n' "${all[@]}" | grep -qxF -- "$name"; then
        say "unknown target \"$name\"; known: ${all[*]}"
        exit 64
    fi
done
((${#wanted[@]})) || wanted=("${all[@]}")

# Attempts make files; a file system in memory is the place for them, where it has room.
work=$(realpath -- "$(TMPDIR=$([[ -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}") mktemp -d)")
trap 'rm -rf -- "$work"' EXIT
# The report that Swift makes of a crash takes seconds and memory; what counts is the file.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0
export TMPDIR=$work

# fuzz NAME: lets a target run; sets `code` and, where something was found, `file`.
fuzz() {
    local name=$1 attempt
    for attempt in 1 2 3; do
        code=0
        "$program" "$name" "${limit[@]}" "${bounds[@]}" -max_len="${largest[$name]}" -print_final_stats=1 \
            -artifact_prefix="$build/findings/$name-" "$corpus/$name" "Tests/Fuzzing/Seeds/$name" > "$work/log" 2>&1 || code=$?
        file=$(sed -n 's/^.*Test unit written to //p' "$work/log" | tail -n 1)
        # It looks at the clock of the wall: where the machine or the program was halted, no file is slow.
        if ((attempt == 3)) || [[ $file != *-timeout-* ]] || ! "$program" "$name" "${bounds[@]}" "$file" > "$work/again" 2>&1; then
            return
        fi
        rm -- "$file"
    done
}

readonly bounds=(-rss_limit_mb=1024 -timeout=5 -report_slow_units=86400)
statistic() { sed -n "s/^stat::$1: *//p" "$work/log" | tail -n 1; }
found=0
for name in "${wanted[@]}"; do
    mkdir -p -- "$corpus/$name" "$build/findings"
    fuzz "$name"
    runs=$(statistic number_of_executed_units)
    if ((code == 0)); then
        edges=$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
        printf '%-12s %s files read, %s a second, %s edges, %s MiB: nothing found\n' \
            "$name" "${runs:-?}" "$(statistic average_exec_per_sec)" "${edges:-?}" "$(statistic peak_rss_mb)"
        continue
    fi
    found=1
    cp -- "$work/log" "$build/findings/$name.log"
    printf '%-12s FOUND %s (%s)\n' "$name" "${file:-no file; the program ended with $code}" "$build/findings/$name.log"
    grep -aE 'Fatal error|ERROR:|SUMMARY:' "$work/log" | head -n 3 | sed 's/^/    /'
done
exit "$found"
