#!/usr/bin/env bash
# Builds dtrain with MPICH instead of Open MPI and shows that it is the same program: the tests of the ranks, a run that is killed
# again and again, and weights equal to the last bit with those of Open MPI's build where that is there.
#
#   launch/mpich.sh [--kills N] [--build FOLDER]
#
# --kills  how often the run is killed (10)
# --build  the build folder (.build-mpich)
#
# It needs MPICH (Debian, Ubuntu: apt-get install mpich libmpich-dev), which leaves an Open MPI that is installed beside it alone.
# Ends with 0 when all is well, 1 when something isn't, 64 for a wrong command line, 77 where MPICH is missing.
set -euo pipefail

say() { printf 'mpich.sh: %s\n' "$*" >&2; }

kills=10
build=.build-mpich
while (($# > 0)); do
    case $1 in
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --kills)
            if [[ ! ${2:-} =~ ^[1-9][0-9]{0,5}$ ]]; then
                say "--kills takes a whole number of 1 or more; found \"${2:-}\""
                exit 64
            fi
            kills=$2
            ;;
        --build)
            if [[ -z ${2:-} ]]; then
                say "--build takes a folder"
                exit 64
            fi
            build=$2
            ;;
        *)
            say "unknown option $1; see launch/mpich.sh --help"
            exit 64
            ;;
    esac
    shift 2
done

build=$(realpath -m -- "$build")
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
if ! command -v mpirun.mpich > /dev/null || ! pkg-config --exists mpich; then
    say "MPICH isn't there (Debian, Ubuntu: apt-get install mpich libmpich-dev)"
    exit 77
fi
export DTRAIN_MPI=mpich
readonly options=(-c release --scratch-path "$build")
if ! swift build "${options[@]}" --build-tests; then
    say "the build failed"
    exit 1
fi
program=$(realpath -- "$build/release/dtrain")
version=$("$program" --version)
say "$version"
if [[ $version != *MPICH* ]]; then
    say "this isn't MPICH"
    exit 1
fi

# What runs on ranks: scenarios of the exchange, exactness at any number of ranks, interrupted or not, and the launcher's plan.
readonly filter='RankScenarioTests|RankMatrixTests|ResumeMatrixTests|NetworkKindTests|AuditTests|DriftTests|MPILibraryTests'
swift test "${options[@]}" --skip-build --filter "$filter" || { say "tests failed"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
models=()
others=("$program")
if [[ -x .build/release/dtrain ]]; then others+=("$(realpath .build/release/dtrain)"); fi
for other in "${others[@]}"; do
    run=$work/run-${#models[@]}
    (cd "$work" && "$other" train --ranks 3 --quiet --run "$run") || { say "$other failed"; exit 1; }
    models+=("$(find "$run/checkpoints" -path '*/step-*/model.safetensors' | sort | tail -n 1)")
done
if ((${#models[@]} < 2)); then
    say "no build with Open MPI in .build to compare with"
elif cmp "${models[@]}"; then
    say "the same weights as with Open MPI, bit for bit: $("${others[1]}" --version)"
else
    exit 1
fi

launch/torture.sh --kills "$kills" --program "$program"
