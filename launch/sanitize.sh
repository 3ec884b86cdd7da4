#!/usr/bin/env bash
# Runs the tests of all rooms that handle memory by hand under AddressSanitizer, which ends a program at the first read or
# write outside of what it has allocated. Comes before every release.
#
#   launch/sanitize.sh [--filter REGULAR_EXPRESSION]
#
# It builds the release configuration, whose loops are the ones that users run, in .build-sanitize. Ends with 0 when the
# tests pass and nothing was found, with 1 when not, with 64 on another option.
set -euo pipefail

say() { printf 'sanitize.sh: %s\n' "$*" >&2; }

# Whoever calls malloc or takes pointers apart, and what they compute for.
filter='^(Storage|Timing|Kernels|Network|Optimization|Metrics|Datasets|Checkpointing|Reporting|Training|Collectives)Tests\.'
# They are about dtrain's own malloc, in whose place AddressSanitizer's is, and about how much memory there is.
readonly skipped='AllocationTests|MemoryForecastTests'
case ${1:-} in
    -h | --help)
        sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    --filter)
        if (($# != 2)) || [[ -z $2 ]]; then
            say "--filter takes one regular expression, as in --filter KernelsTests"
            exit 64
        fi
        filter=$2
        ;;
    '') ;;
    *)
        say "unknown option $1; see launch/sanitize.sh --help"
        exit 64
        ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
launch/setup.sh

readonly options=(-c release --sanitize=address --scratch-path .build-sanitize)
if ! swift build "${options[@]}" --build-tests; then
    say "the build failed"
    exit 1
fi

# Memory that is still held at the end is no fault here: threads and libraries keep theirs. What programs that tests start
# find ends them, so that their test fails.
export ASAN_OPTIONS=detect_leaks=0:exitcode=70
# Swift's own report of a crash reads memory that isn't its, which would be found instead of the cause.
export SWIFT_BACKTRACE=enable=no
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
swift test "${options[@]}" --skip-build --filter "$filter" --skip "$skipped" 2>&1 | tee "$log" || status=$?
if grep -q 'ERROR: AddressSanitizer' "$log"; then
    say "AddressSanitizer found a fault (its report is above)"
    exit 1
fi
if ((status != 0)); then
    say "tests failed"
    exit 1
fi
if ! grep -q 'Test run with [1-9]' "$log"; then
    say "no test ran; does the filter $filter name one?"
    exit 1
fi
say "nothing found"
