#!/usr/bin/env bash
# Builds Examples/OwnLayer, a package of its own with a layer and a data format more, and trains with it: the same weights on 1, 2 and
# 3 ranks, which eval and predict of it can read and those of dtrain refuse. launch/test.sh runs this.
#
# It is built into this repository's build folder, where what dtrain is made of lies compiled already: a minute instead of ten.
set -euo pipefail

unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
build=$PWD/${DTRAIN_BUILD:-.build}
runs=$(realpath -- "$(mktemp -d)")
trap 'rm -rf "$runs"' EXIT

swift build -c release --package-path Examples/OwnLayer --scratch-path "$build" --disable-automatic-resolution
program=$build/release/OwnLayer
configuration=Examples/OwnLayer/rings.yaml

fail() {
    echo "own-layer: $1" >&2
    exit 1
}

digest=$("$program" train "$configuration" --run "$runs/1" --quiet)
for ranks in 2 3; do
    # Bare mpirun, with what it needs where there are few cores, and as root.
    other=$(OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -q -np "$ranks" --oversubscribe --bind-to none \
        "$program" train "$configuration" --run "$runs/$ranks" --quiet 2> "$runs/errors") || { cat "$runs/errors" >&2; fail "$ranks ranks failed"; }
    other=${other%$'\r'}
    [[ $other == "$digest" ]] || fail "$ranks ranks end with $other, one with $digest"
done
[[ $("$program" train "$configuration" --run "$runs/launched" --ranks 2 --quiet) == "$digest" ]] || fail "--ranks 2 ends otherwise"

printf '0.05,0.05\n0.45,-0.2\n-0.9,0.9\n' > "$runs/points.csv"
"$program" predict "$runs/1" "$runs/points.csv" | cut -d, -f1 > "$runs/rings"
printf 'prediction\nring 1\nring 2\nring 3\n' | diff - "$runs/rings" || fail "predictions are wrong"
"$program" eval "$runs/1" --json > "$runs/eval" || fail "eval failed"
"$program" gradcheck "$configuration" || fail "its gradients are wrong"
status=0
"$build/release/dtrain" eval "$runs/1" 2> "$runs/refusal" || status=$?
if [[ $status != 65 ]] || ! grep -q 'unknown value "rings"' "$runs/refusal"; then
    fail "dtrain ended with $status: $(< "$runs/refusal")"
fi
echo "$digest"
