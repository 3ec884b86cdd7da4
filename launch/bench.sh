#!/usr/bin/env bash
# Measures dtrain and its peers side by side: PyTorch DDP, JAX on one core, over mpi4py and over gloo, and Keras, each with its
# best settings; PyTorch in bfloat16 too, where the processor multiplies that.
#
#   launch/bench.sh --setup      installs the peers into .build/benchmarks-venv (7 GB; once)
#   launch/bench.sh [--quick] [--workload small|large|cnn|resnet20|lstm|gru|gpt|gpt-large|gpt2] [--windows N] [--seconds S] [--output FILE] [--extra FILE]
#                   [--program FILE]
#
# Programs run alternately, one window of S seconds each in a round, N rounds; the medians go to standard output and to
# benchmarks/RESULTS.md or FILE. --quick: 5 rounds with windows of a second instead of 7 with 3. --extra adds rows that
# were measured elsewhere (benchmarks/compare.py says how they are written), --program measures another dtrain than
# this repository's release build. MNIST is used where launch/fetch-data.sh has brought it, CIFAR-10 where it lies in
# data/cifar10/cifar-10-batches-bin, else random bytes of the same shape. All of it takes an hour and a half, in which nothing else should run.
set -euo pipefail
unset CDPATH

repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly repository
readonly environment=$repository/.build/benchmarks-venv requirements=$repository/benchmarks/requirements.txt
# A copy of the requirements, made when they are all installed.
readonly installed=$environment/requirements.txt
say() { printf 'bench.sh: %s\n' "$*" >&2; }

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
    exit 0
fi

if [[ ${1:-} == --setup ]]; then
    if cmp -s "$requirements" "$installed"; then
        say "the peers are installed ($environment)"
        exit 0
    fi
    if ! command -v python3 > /dev/null; then
        say "no python3 on the PATH; Debian, Ubuntu: apt-get install python3 python3-venv"
        exit 69
    fi
    log=$(realpath -- "$(mktemp)")
    trap 'rm -f "$log"' EXIT
    if ! python3 -m venv "$environment" > "$log" 2>&1; then
        tail -n 5 "$log" >&2
        say "python3 can't make a virtual environment; Debian, Ubuntu: apt-get install python3-venv"
        exit 69
    fi
    say "installing the peers into $environment (7 GB)"
    if ! "$environment/bin/python" -m pip install --no-cache-dir -r "$requirements" > "$log" 2>&1; then
        tail -n 15 "$log" >&2
        say "pip can't install what $requirements names (its last words above)"
        exit 69
    fi
    cp "$requirements" "$installed"
    say "installed; measure with: launch/bench.sh"
    exit 0
fi

if [[ ! -x $environment/bin/python ]] || ! cmp -s "$requirements" "$installed"; then
    say "the peers aren't installed, or not in the versions of $requirements; run: launch/bench.sh --setup"
    exit 66
fi
exec "$environment/bin/python" "$repository/benchmarks/compare.py" "$@"
