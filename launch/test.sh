#!/usr/bin/env bash
# Sets up, builds everything and runs every test; what failed is named once more at the end, and the last line of the
# output is the count:
#
#   N passed, N failed, N skipped
#
# Ends with 0 only when something ran and nothing failed. Options are handed to `swift test`, as in
# launch/test.sh --filter SettingsTests; then the checks that aren't Swift tests are left out.
set -euo pipefail

unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# For the check of the scripts, which is left out with options, shellcheck is wanted.
if (($# == 0)); then launch/setup.sh --tests; else launch/setup.sh; fi

passed=0
failed=0
skipped=0
results=$(realpath -- "$(mktemp -d)")
trap 'rm -rf "$results"' EXIT

close() {
    # Thousands of lines lie between a failure and the end, and a log may keep only its end.
    if [[ -s $results/failed ]]; then cat "$results/failed"; fi
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    if ((failed > 0 || passed == 0)); then exit 1; fi
    exit 0
}

# A check that is a command: passed with 0, skipped with 77, failed with anything else.
check() {
    local name=$1 code=0
    shift
    "$@" > "$results/output" 2>&1 || code=$?
    case $code in
        0)
            passed=$((passed + 1))
            echo "passed: $name"
            ;;
        77)
            skipped=$((skipped + 1))
            echo "skipped: $name: $(tail -n 1 "$results/output")"
            ;;
        *)
            failed=$((failed + 1))
            cat "$results/output"
            { tail -n 20 "$results/output"; echo "failed: $name"; } >> "$results/failed"
            ;;
    esac
}

# shellcheck disable=SC2317 # called by check
scripts_are_clean() {
    if ! command -v shellcheck > /dev/null; then
        echo "shellcheck isn't installed (Debian, Ubuntu: apt-get install shellcheck)"
        return 77
    fi
    shellcheck launch/*.sh .ci/run
}

# shellcheck disable=SC2317 # called by check
sources_are_formatted() {
    if ! swift format --version > /dev/null 2>&1; then
        echo "this toolchain has no swift format"
        return 77
    fi
    swift format lint --strict --recursive --parallel Package.swift Sources Tests Examples
}

# shellcheck disable=SC2317 # called by check
archive_runs_elsewhere() {
    if ((EUID != 0)) || ! command -v debootstrap > /dev/null; then
        echo "roots of other systems want root and debootstrap (Debian, Ubuntu: apt-get install debootstrap)"
        return 77
    fi
    launch/install.sh --bundle "$results/dtrain.tar.gz" \
        && launch/portability.sh --processors none --debian bookworm,trixie --bundle "$results/dtrain.tar.gz"
}

# The build that `swift build` makes too, so that neither throws away the other's work.
if ! swift build -c release --build-tests; then
    echo "the build failed"
    failed=1
    close
fi

# Who is slow can only be told where nothing else takes the ranks' time: beside other tests another rank may be slower yet.
readonly alone='/straggler\('
status=0
if (($# == 0)); then
    swift test -c release --skip-build --xunit-output "$results/tests.xml" --skip "$alone" || status=$?
    swift test -c release --skip-build --no-parallel --xunit-output "$results/alone.xml" --filter "$alone" || status=$?
else
    swift test -c release --skip-build --xunit-output "$results/tests.xml" "$@" || status=$?
fi

# One <testcase> for each test, with a <failure> or <skipped> inside where it isn't passed.
shopt -s nullglob
for report in "$results"/*.xml; do
    counts=$(awk '
        { gsub(/</, "\n<"); n = split($0, parts, "\n")
          for (i = 1; i <= n; i++) {
            if (parts[i] ~ /^<testcase[ >]/) { cases++; open = 1 }
            else if (parts[i] ~ /^<(failure|error)[ >\/]/ && open) { failures++; open = 0 }
            else if (parts[i] ~ /^<skipped[ >\/]/ && open) { skips++; open = 0 }
          } }
        END { print cases - failures - skips, failures + 0, skips + 0 }' "$report")
    read -r report_passed report_failed report_skipped <<< "$counts"
    passed=$((passed + report_passed))
    failed=$((failed + report_failed))
    skipped=$((skipped + report_skipped))
    awk '
        function attribute(tag, name) {
            if (!match(tag, " " name "=\"[^\"]*\"")) { return "" }
            tag = substr(tag, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
            gsub(/&lt;/, "<", tag); gsub(/&gt;/, ">", tag); gsub(/&quot;/, "\"", tag); gsub(/&#10;/, "\n", tag)
            gsub(/&apos;|&#39;/, "\047", tag); gsub(/&amp;/, "\\&", tag)
            return tag
        }
        { gsub(/</, "\n<"); n = split($0, parts, "\n")
          for (i = 1; i <= n; i++) {
            if (parts[i] ~ /^<testcase[ >]/) { test = attribute(parts[i], "classname") "." attribute(parts[i], "name") }
            else if (parts[i] ~ /^<(failure|error)[ >\/]/) { print "failed: " test ": " attribute(parts[i], "message") }
          } }' "$report" >> "$results/failed"
done
if ((status != 0 && failed == 0)); then
    echo "swift test ended with $status before it could report (a crash shows above)"
    failed=1
fi

if (($# == 0)); then
    check "the scripts in launch/ pass shellcheck" scripts_are_clean
    check "the sources have the form that .swift-format states" sources_are_formatted
    check "a package of its own with a layer and a data format more trains on 1, 2 and 3 ranks" launch/own-layer.sh
    check "the library's documentation is made without a warning" launch/documentation.sh "$results/DTrain.doccarchive"
    check "a run killed 25 times ends in the bits of one left alone" launch/torture.sh --kills 25 --seed 1
    if [[ ${DTRAIN_TESTS:-} == full ]]; then
        check "the archive runs on bare Debian 12 and 13, with the same bits" archive_runs_elsewhere
        check "the steps of Dockerfile make an image that trains" launch/container-trial.sh
    fi
fi
close
