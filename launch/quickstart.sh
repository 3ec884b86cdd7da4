#!/usr/bin/env bash
# From a fresh clone to a trained network in one command: system packages, release build, the built-in digits data on
# 4 ranks. Options are handed to `dtrain train`, as in: launch/quickstart.sh --set training.epochs=3
set -euo pipefail

unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
say() { printf '\n== %s\n' "$*"; }

say "system packages and toolchain"
launch/setup.sh
echo "all there"

say "release build (one to three minutes the first time)"
swift build -c release --product dtrain
program=$PWD/.build/release/dtrain

say "training on 4 ranks: launch/local.sh -np 4 dtrain"
code=0
launch/local.sh -np 4 "$program" train "$@" || code=$?
if ((code != 0)); then
    printf '\nThe training ended with exit code %d; the message above says why.\n' "$code" >&2
    exit "$code"
fi

cat << 'END'

== what to try next
  launch/local.sh -np 2 dtrain            the same on 2 ranks: the same digest
  .build/release/dtrain                   the same in one process, for debugging
  launch/local.sh -np 4 dtrain train configs/iris.yaml     after launch/fetch-data.sh iris
  .build/release/dtrain inspect configs/mnist-mlp.yaml     layers, shapes, the effective configuration
  launch/install.sh                       puts dtrain on the PATH: mpirun -np 4 dtrain works anywhere
  launch/test.sh                          runs every test
END
