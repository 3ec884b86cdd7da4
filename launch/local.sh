#!/usr/bin/env bash
# Starts a program on N ranks of this machine: mpirun with the flags that dtrain wants.
#
#   launch/local.sh -np N [--restart N] [mpirun options] PROGRAM [arguments]
#   launch/local.sh -np 4 dtrain train configs/digits.yaml
#
# -np and --restart come first; everything after them is handed to mpirun. PROGRAM `dtrain` is the one on the PATH, or
# else this repository's release build.
#
# SIGTERM, SIGINT and SIGHUP reach the ranks as SIGUSR1: they finish the step, write a checkpoint and the job ends with
# 75. (mpirun itself would answer SIGTERM and SIGINT by killing them.) A second SIGINT ends the job at once, with 130.
#
# --restart N starts the job again with --resume, up to N times, when a rank died. It needs --run among the program's
# arguments, because the default run directory is a new one each time.
#
# Environment: OMP_NUM_THREADS and OPENBLAS_NUM_THREADS (1 unless set), DTRAIN_TERMINAL (1 or 0: whether the output
# is a terminal; found out unless set).
set -euo pipefail

# Handlers note what was asked; the loop in run_job acts on it.
stop_asked=false
interrupts=0
trap 'stop_asked=true' TERM HUP USR1
trap 'stop_asked=true; interrupts=$((interrupts + 1))' INT

readonly usage="usage: launch/local.sh -np N [--restart N] [mpirun options] PROGRAM [arguments]"
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly repository

say() { printf 'local.sh: %s\n' "$*" >&2; }
fail() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

is_count() { [[ $1 =~ ^[0-9]{1,6}$ ]]; }

# --- The command line -------------------------------------------------------------------------------------------------

ranks=""
restarts=0
while (($# > 0)); do
    case $1 in
        -np | -n | --np)
            if ! is_count "${2:-}" || ((10#$2 < 1)); then
                fail 64 "$1 wants the number of ranks, found \"${2:-}\"; $usage"
            fi
            ranks=$((10#$2))
            shift 2
            ;;
        --restart)
            is_count "${2:-}" || fail 64 "--restart wants a number of restarts, found \"${2:-}\"; $usage"
            restarts=$((10#$2))
            shift 2
            ;;
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) break ;;
    esac
done
[[ -n $ranks ]] || fail 64 "the number of ranks is missing; $usage"
(($# > 0)) || fail 64 "the program is missing; $usage"

# What stands before the program `dtrain` is for mpirun; for other programs the two can't be told apart.
uses_dtrain=false
names_hosts=false
sets_binding=false
for argument in "$@"; do
    case $argument in
        dtrain | */dtrain)
            uses_dtrain=true
            break
            ;;
        -H | --host | -host | --hostfile | -hostfile | --machinefile | -machinefile) names_hosts=true ;;
        --bind-to | -bind-to) sets_binding=true ;;
    esac
done

has_run=false
threads=1
for argument in "$@"; do
    case $argument in
        --run | --run=*) has_run=true ;;
        training.threads=* | --set=training.threads=*) threads=${argument##*=} ;;
    esac
done
if ((restarts > 0)) && ! $has_run; then
    fail 64 "--restart needs --run DIR among the program's arguments: without it every start makes a new run directory"
fi

if ! command -v mpirun > /dev/null; then
    fail 66 "mpirun isn't there; install it with launch/setup.sh (Debian, Ubuntu: apt-get install openmpi-bin)"
fi
if [[ $1 != -* && $1 != dtrain ]] && ! command -v "$1" > /dev/null; then
    fail 66 "$1: no such program; $usage"
fi
if $uses_dtrain && ! command -v dtrain > /dev/null && [[ " $* " == *" dtrain "* ]]; then
    if [[ ! -x $repository/.build/release/dtrain ]]; then
        fail 66 "dtrain is neither on the PATH nor built; build it with: swift build -c release" \
            "(in $repository), or run launch/quickstart.sh"
    fi
    export PATH=$repository/.build/release:$PATH
fi

# --- Flags ------------------------------------------------------------------------------------------------------------

cores=$(nproc 2> /dev/null || getconf _NPROCESSORS_ONLN)
flags=(-q -np "$ranks" --oversubscribe -x DTRAIN_TERMINAL -x DTRAIN_COLUMNS
    -x OMP_NUM_THREADS -x OPENBLAS_NUM_THREADS)
if ((ranks > cores)); then
    # Ranks that wait must leave the core to those that work.
    export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
fi
if ! $sets_binding; then
    # A rank of several threads, or one of too many, is left to the kernel.
    if ((ranks > cores)) || [[ $threads != 1 ]]; then
        flags+=(--bind-to none)
    else
        flags+=(--bind-to core:overload-allowed)
    fi
fi
if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# Time between SIGTERM and SIGKILL when a job is torn down; Open MPI waits for it twice.
export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-0}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}

# Under mpirun a rank's standard output is always a terminal of mpirun's making, so the ranks are told about ours.
if [[ -z ${DTRAIN_TERMINAL:-} ]]; then
    if [[ -t 1 ]]; then DTRAIN_TERMINAL=1; else DTRAIN_TERMINAL=0; fi
fi
if [[ -z ${DTRAIN_COLUMNS:-} ]]; then
    DTRAIN_COLUMNS=80
    if [[ -t 1 ]] && size=$(stty size 2> /dev/null <&1) && ((${size#* } > 0)); then DTRAIN_COLUMNS=${size#* }; fi
fi
export DTRAIN_TERMINAL DTRAIN_COLUMNS

# --- The session: a directory for everything that Open MPI would leave behind -----------------------------------------

# /dev/shm/dtrain-<user>-<process>, locked by this shell and by mpirun, which inherits the descriptor: a directory
# whose lock is free belongs to a dead job.
session=""
lock=""

remove_dead_sessions() {
    local directory descriptor
    for directory in "$1"/dtrain-"$EUID"-*/; do
        [[ -O $directory && -e ${directory}lock ]] || continue
        exec {descriptor}< "${directory}lock" || continue
        if flock -n "$descriptor" && [[ -z $(processes_of "${directory%/}") ]]; then rm -rf "$directory"; fi
        exec {descriptor}<&-
    done
    # Those that a kill kept from their name, by the process that made them.
    for directory in "$1"/.dtrain-"$EUID"-*-*/; do
        [[ -O $directory && ${directory##*/.dtrain-"$EUID"-} =~ ^([0-9]+)-[^/-]*/$ ]] || continue
        if [[ ! -d /proc/${BASH_REMATCH[1]} ]]; then rm -rf "$directory"; fi
    done
}

make_session() {
    local base=/dev/shm free draft
    # Open MPI keeps 4 MB for each rank there, and some for itself.
    free=$(df -Pk /dev/shm 2> /dev/null | awk 'NR == 2 { print $4 }')
    if [[ ! -w $base ]] || ((${free:-0} < ranks * 8192 + 16384)); then base=${TMPDIR:-/tmp}; fi
    remove_dead_sessions "$base"
    # Locked under another name first: under its own it is never seen unlocked.
    draft=$(mktemp -d "$base/.dtrain-$EUID-$$-XXXXXX")
    exec {lock}> "$draft/lock"
    flock -n "$lock"
    session=$base/dtrain-$EUID-$$
    rm -rf "$session"
    mv -T "$draft" "$session"
    export OMPI_MCA_orte_tmpdir_base=$session OMPI_MCA_btl_vader_backing_directory=$session \
        OMPI_MCA_osc_sm_backing_directory=$session OMPI_MCA_osc_rdma_backing_directory=$session
}

# The live processes of a session, known by the environment they were started with. (A dead one that nobody has
# waited for yet has none.)
processes_of() {
    { grep -lzxF "DTRAIN_SESSION=$1" /proc/[0-9]*/environ 2> /dev/null || true; } | cut -d/ -f3
}

# When mpirun was killed, its ranks compute on until they notice, for most of a second: nothing may be started or
# removed before they are gone.
await_ranks() {
    local pids attempt empty_looks=0
    for ((attempt = 0; attempt < 50; attempt++)); do
        pids=$(processes_of "$token")
        # Twice: for an instant within execve a living process has no environment.
        if [[ -z $pids ]]; then
            if ((++empty_looks == 2)); then return 0; fi
            sleep 0.02
            continue
        fi
        empty_looks=0
        if ((attempt == 25)); then
            # shellcheck disable=SC2086 # a list of numbers
            kill -KILL $pids 2> /dev/null || true
        fi
        sleep 0.1
    done
    say "processes of the job can't be ended: ${pids//$'\n'/ }"
}

# shellcheck disable=SC2317 # the trap below calls it
remove_session() {
    if [[ -n $session ]]; then rm -rf "$session" 2> /dev/null || true; fi
}

if ! $names_hosts && command -v flock > /dev/null; then
    make_session
    trap remove_session EXIT
fi
token=${session:-$$-$RANDOM$RANDOM}

# --- Running ----------------------------------------------------------------------------------------------------------

job=""
killed=false

# Runs the job once and sets `code`.
run_job() {
    local polls=0 ended_at=0
    if $stop_asked; then
        # Nothing was computed yet.
        code=75
        return
    fi
    # A process group of its own keeps the terminal's Ctrl-C away from mpirun. SIGUSR1 is ignored until mpirun catches
    # it, and again when it has stopped doing so: neither an early nor a late one may end it.
    set -m
    (
        trap '' USR1
        trap - TERM HUP INT
        exec env DTRAIN_SESSION="$token" mpirun "${flags[@]}" "$@"
    ) < /dev/null &
    job=$!
    set +m
    code=0
    while :; do
        if ! $stop_asked; then
            code=0
            { wait "$job"; } 2> /dev/null || code=$?
            # A trapped signal ends `wait` too; then the job is still there.
            if kill -0 "$job" 2> /dev/null; then continue; fi
            if $stop_asked; then { wait "$job"; } 2> /dev/null && code=0 || code=$?; fi
            break
        fi
        if ! kill -0 "$job" 2> /dev/null; then
            { wait "$job"; } 2> /dev/null && code=0 || code=$?
            break
        fi
        # Once a second until it ends: mpirun forwards nothing to ranks that it hasn't started yet.
        if ((interrupts > 1)); then
            if ! $killed; then
                killed=true
                ended_at=$polls
                kill -TERM "$job" 2> /dev/null || true
            elif ((polls == ended_at + 10)); then
                kill -KILL -- "-$job" 2> /dev/null || true
            fi
        elif ((polls % 10 == 0)); then
            kill -USR1 "$job" 2> /dev/null || true
        fi
        polls=$((polls + 1))
        sleep 0.1 || true
    done
    if ((code != 0)); then await_ranks; fi
    if $killed; then
        code=130
    elif $stop_asked && ((code == 138)); then
        # The signal met a rank before it had a handler: nothing was computed yet.
        code=75
    fi
}

arguments=("$@")
for ((start = 0; ; start++)); do
    run_job "${arguments[@]}"
    if $stop_asked || ((start >= restarts)); then break; fi
    case $code in
        0 | 64 | 65 | 66 | 73 | 75 | 78) break ;;
    esac
    # From the newest checkpoint now, whatever the first start began from.
    kept=()
    drop_value=false
    for argument in "${arguments[@]}"; do
        if $drop_value; then
            drop_value=false
            if [[ $argument != -* && $argument != *.yaml && $argument != *.yml ]]; then continue; fi
        fi
        case $argument in
            --resume | --initialize) drop_value=true ;;
            --resume=* | --initialize=*) ;;
            *) kept+=("$argument") ;;
        esac
    done
    arguments=("${kept[@]}" --resume)
    say "the job ended with $code; starting again with --resume ($((start + 1)) of $restarts)"
    if [[ -n $session ]]; then find "$session" -mindepth 1 ! -name lock -delete 2> /dev/null || true; fi
done
exit "$code"
