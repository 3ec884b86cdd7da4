#!/usr/bin/env bash
# Starts a program on N ranks of this machine, or of several: mpirun with the flags that dtrain wants.
#
#   launch/local.sh -np N [--restart N] [mpirun options] PROGRAM [arguments]
#   launch/local.sh -np 4 dtrain train configs/digits.yaml
#   launch/local.sh --hostfile FILE [-np N] [--restart N] [mpirun options] PROGRAM [arguments]
#
# --hostfile: on the hosts that FILE lists as mpirun reads it, a line for each: NAME slots=N; without -np as many ranks as there
# are slots. Hosts are asked first whether ssh (or what OMPI_MCA_plm_rsh_agent names) gets there and finds PROGRAM. The
# variables DTRAIN_* and PATH go with the ranks.
#
# -np, --hostfile and --restart come first; everything after them is handed to mpirun. PROGRAM `dtrain` is the one on the
# PATH, or else this repository's release build.
#
# SIGTERM, SIGINT and SIGHUP reach the ranks as SIGUSR1: they finish the step, write a checkpoint and the job ends with
# 75. (mpirun itself would answer SIGTERM and SIGINT by killing them.) A second SIGINT ends the job at once, with 130.
#
# --restart N starts the job again with --resume, up to N times, when a rank died. It needs --run among the program's
# arguments, because the default run directory is a new one each time.
#
# A reader of the output that goes away (`| head`) stops nothing; a full disk behind it ends in 74 when all is done. When
# this script is killed, mpirun and the ranks are killed too. What is ignored at the start (nohup) stays ignored.
#
# Environment: OMPI_MCA_hwloc_base_binding_policy (whether ranks are pinned; chosen unless set), OMP_NUM_THREADS and
# OPENBLAS_NUM_THREADS (1 unless set), DTRAIN_TERMINAL and DTRAIN_COLOR (1 or 0: whether the output is a terminal, and may have colours;
# found out unless set),
# TMPDIR (where /dev/shm has too little room).
set -euo pipefail
unset CDPATH

# Handlers note what was asked; the loop in run_job acts on it.
stop_asked=false
signals=0
interrupts=0
trap 'stop_asked=true; signals=$((signals + 1))' TERM HUP USR1
trap 'stop_asked=true; signals=$((signals + 1)); interrupts=$((interrupts + 1))' INT

readonly usage="usage: launch/local.sh -np N [--hostfile FILE] [--restart N] [mpirun options] PROGRAM [arguments]"
repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly repository

say() { printf 'local.sh: %s\n' "$*" >&2; }
fail() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

close_all() {
    local descriptor
    for descriptor in "$@"; do exec {descriptor}>&-; done
}

is_count() { [[ $1 =~ ^[0-9]{1,6}$ ]]; }

# --- The command line -------------------------------------------------------------------------------------------------

ranks=""
restarts=0
hostfile=""
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
        --hostfile | -hostfile | --machinefile | -machinefile)
            [[ -n ${2:-} ]] || fail 64 "$1 wants a file that lists hosts; $usage"
            hostfile=$2
            shift 2
            ;;
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) break ;;
    esac
done
if [[ -n $hostfile ]]; then
    # shellcheck source=launch/hosts.sh
    . "$repository/launch/hosts.sh"
    read_hosts "$hostfile"
fi
[[ -n $ranks ]] || fail 64 "the number of ranks is missing; $usage"
(($# > 0)) || fail 64 "the program is missing; $usage"

# What stands before the program `dtrain` is for mpirun; for other programs the two can't be told apart.
uses_dtrain=false
names_hosts=false
sets_binding=false
if [[ -n $hostfile ]]; then names_hosts=true; fi
if [[ -n ${OMPI_MCA_hwloc_base_binding_policy:-} ]]; then sets_binding=true; fi
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
run=""
threads=1
previous=""
for argument in "$@"; do
    if [[ $previous == --run ]]; then run=$argument; fi
    previous=$argument
    case $argument in
        --run=*) has_run=true run=${argument#--run=} ;;
        --run) has_run=true ;;
        training.threads=* | --set=training.threads=*) threads=${argument##*=} ;;
    esac
done
if ((restarts > 0)) && ! $has_run; then
    fail 64 "--restart needs --run DIR among the program's arguments: without it every start makes a new run directory"
fi

if ! command -v mpirun > /dev/null; then
    fail 66 "mpirun isn't there; install it with launch/setup.sh (Debian, Ubuntu: apt-get install openmpi-bin)"
fi
if [[ $1 != -* && $1 != dtrain ]] && ! command -v -- "$1" > /dev/null; then
    fail 66 "$1: no such program; $usage"
fi
if $uses_dtrain && ! command -v dtrain > /dev/null && [[ " $* " == *" dtrain "* ]]; then
    # In the repository, or in what launch/install.sh --bundle packed.
    found=$repository/.build/release
    if [[ -x $repository/bin/dtrain ]]; then found=$repository/bin; fi
    if [[ ! -x $found/dtrain ]]; then
        fail 66 "dtrain is neither on the PATH nor built; build it with: swift build -c release" \
            "(in $repository), or run launch/quickstart.sh"
    fi
    export PATH=$found:$PATH
fi

# --- Flags ------------------------------------------------------------------------------------------------------------

# nproc would take OMP_NUM_THREADS for the number of cores.
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2> /dev/null || getconf _NPROCESSORS_ONLN)
flags=(-np "$ranks")
# mpirun's own words on how a rank ended; in Open MPI 5 there is no option -q for it.
export OMPI_MCA_orte_execute_quiet=${OMPI_MCA_orte_execute_quiet:-1}
# On other hosts mpirun itself sees to it that none gets more ranks than slots.
if [[ -z $hostfile ]]; then flags+=(--oversubscribe); fi
flags+=(-x DTRAIN_TERMINAL -x DTRAIN_COLUMNS -x DTRAIN_COLOR -x OMP_NUM_THREADS -x OPENBLAS_NUM_THREADS)
if [[ -n $hostfile ]]; then
    flags+=(--hostfile "$hostfile" -x PATH)
    while IFS= read -r name; do
        if [[ $name == DTRAIN_* && $name != DTRAIN_TERMINAL && $name != DTRAIN_COLUMNS && $name != DTRAIN_COLOR ]]; then flags+=(-x "$name"); fi
    done < <(compgen -e)
    cores=$ranks
    # A connection between hosts that brings nothing any more counts as broken after four seconds, instead of eight minutes.
    export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time:-1} \
        OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl:-1} \
        OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes:-3}
    check_hosts "$1"
fi
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
    if [[ -t 1 && ${TERM:-} != dumb ]]; then DTRAIN_TERMINAL=1; else DTRAIN_TERMINAL=0; fi
fi
if [[ -z ${DTRAIN_COLUMNS:-} ]]; then
    DTRAIN_COLUMNS=80
    if [[ -t 1 ]] && size=$(stty size 2> /dev/null <&1) && ((${size#* } > 0)); then DTRAIN_COLUMNS=${size#* }; fi
fi
if [[ -z ${DTRAIN_COLOR:-} ]]; then
    DTRAIN_COLOR=0
    if [[ -z ${NO_COLOR:-} ]]; then
        if [[ -n ${CLICOLOR_FORCE:-} && $CLICOLOR_FORCE != 0 ]]; then
            DTRAIN_COLOR=1
        elif [[ $DTRAIN_TERMINAL == 1 && ${CLICOLOR:-1} != 0 ]]; then
            DTRAIN_COLOR=1
        fi
    fi
fi
export DTRAIN_TERMINAL DTRAIN_COLUMNS DTRAIN_COLOR

# --- The session: a directory for everything that Open MPI would leave behind -----------------------------------------

# /dev/shm/dtrain-<user>-<process>-<random>, locked by this shell and by mpirun, which inherits the descriptor: a
# directory whose lock is free belongs to a dead job. Others may write where it lies, so a name proves nothing.
session=""
lock=""

# empty_directory DIRECTORY [dead]: empties a session's directory, for `rmdir` to remove, or fails. DIRECTORY is an
# absolute path without links. With `dead` the lock must be there and free.
empty_directory() (
    # From inside: what is looked at is what is emptied, whatever becomes of the name meanwhile.
    cd -P -- "$1" 2> /dev/null || exit 1
    # A link leads to another path.
    [[ $(pwd -P) == "$1" ]] || exit 1
    # Our own, and closed to others, as mktemp makes it.
    read -r owner mode <<< "$(stat -c '%u %a' .)"
    ((owner == EUID && (8#$mode & 077) == 0)) || exit 1
    if [[ ${2:-} == dead ]]; then
        [[ -f lock && ! -L lock && -O lock ]] || exit 1
        exec {descriptor}< lock
        flock -n "$descriptor" || exit 1
        [[ -z $(processes_of "$1") ]] || exit 1
    fi
    # It follows no links, and stays on this file system.
    find . -xdev -mindepth 1 -delete 2> /dev/null
)

remove_dead_sessions() {
    local directory name
    for directory in "$1"/dtrain-"$EUID"-*; do
        name=${directory##*/}
        [[ $name =~ ^dtrain-[0-9]+-[0-9]+(-[A-Za-z0-9]{6})?$ ]] || continue
        if empty_directory "$directory" dead; then rmdir -- "$directory" 2> /dev/null || true; fi
    done
    # Those that a kill kept from their name, by the process that made them. There is nothing in them but a lock.
    for directory in "$1"/.dtrain-"$EUID"-*; do
        [[ ${directory##*/} =~ ^\.dtrain-[0-9]+-([0-9]+)-[A-Za-z0-9]{6}$ ]] || continue
        if [[ -d /proc/${BASH_REMATCH[1]} || -L $directory || ! -O $directory ]]; then continue; fi
        if [[ -e $directory/lock ]]; then empty_directory "$directory" dead || continue; fi
        rmdir -- "$directory" 2> /dev/null || true
    done
}

make_session() {
    local base=/dev/shm free draft directory
    # Open MPI keeps 4 MB for each rank there, and some for itself.
    free=$(df -Pk /dev/shm 2> /dev/null | awk 'NR == 2 { print $4 }')
    if [[ ! -w $base ]] || ((${free:-0} < ranks * 8192 + 16384)); then base=${TMPDIR:-/tmp}; fi
    # A path of several lines can't be looked for in a list of lines.
    if [[ $base == *$'\n'* ]]; then base=/tmp; fi
    base=$(cd -P -- "$base" 2> /dev/null && pwd -P) \
        || fail 73 "${TMPDIR:-/tmp}: no such directory; set TMPDIR to one that can be written"
    base=${base%/}
    remove_dead_sessions "$base"
    # Locked under another name first: under its own it is never seen unlocked.
    draft=$(mktemp -d -- "$base/.dtrain-$EUID-$$-XXXXXX" 2> /dev/null) \
        || fail 73 "$base: no directory can be made there; set TMPDIR to one that can be written"
    exec {directory}< "$draft"
    # Where others may rename, a link to elsewhere could have taken its place.
    [[ $(readlink "/proc/self/fd/$directory") == "$draft" ]] || fail 73 "$draft was made, but has been removed or replaced since"
    exec {lock}> "/proc/self/fd/$directory/lock" {directory}<&-
    flock -n "$lock"
    session=$base/dtrain-${draft##*/.dtrain-}
    mv -T -- "$draft" "$session"
    export OMPI_MCA_orte_tmpdir_base=$session OMPI_MCA_btl_vader_backing_directory=$session \
        OMPI_MCA_osc_sm_backing_directory=$session OMPI_MCA_osc_rdma_backing_directory=$session
}

# The live processes of a session, known by the environment they were started with. (A dead one that nobody has
# waited for yet has none.)
processes_of() {
    { grep -lzxF -- "DTRAIN_SESSION=$1" /proc/[0-9]*/environ 2> /dev/null || true; } | cut -d/ -f3
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

remove_session() {
    if [[ -n $session ]] && empty_directory "$session"; then rmdir -- "$session" 2> /dev/null || true; fi
}

# --- Pipes, and what lives at their other ends ------------------------------------------------------------------------

# Sets `reader` and `writer` to the ends of a new pipe. (A pipe that is opened through /proc has an end of its own.)
make_pipe() {
    local both
    exec {both}<> <(:)
    exec {reader}< "/proc/self/fd/$both"
    exec {writer}> "/proc/self/fd/$both" {both}>&-
}

# This shell alone keeps this end of the watcher's pipe.
life=""
# Whether a job may be running.
is_running=false

# Waits for the end of this shell, which says so when it ends by itself. When it was killed, so is the job.
watch_over() {
    local pids look
    trap '' TERM HUP INT QUIT USR1
    close_all "$writer" ${lock:+"$lock"}
    exec < /dev/null > /dev/null 2>&1
    if read -r -u "$reader" _; then return; fi
    # For two seconds: what is just being started can't be known by its environment yet.
    for ((look = 0; look < 20; look++)); do
        pids=$(processes_of "$token")
        # shellcheck disable=SC2086 # a list of numbers
        if [[ -n $pids ]]; then kill -KILL $pids || true; fi
        sleep 0.1
    done
    remove_session
}

# shellcheck disable=SC2317 # the trap below calls it
leave() {
    trap '' PIPE
    # Bash comes here on most deadly signals too, in the middle of a job: that is left to the watcher.
    if $is_running; then return; fi
    if [[ -n $life ]]; then echo "ended by itself" >&"$life" || true; fi
    remove_session
}

trap leave EXIT
if ! $names_hosts && command -v flock > /dev/null; then make_session; fi
token=${session:-$$-$RANDOM$RANDOM}

make_pipe
# In a process group of its own, which survives a kill of this one.
set -m
watch_over &
set +m
life=$writer
close_all "$reader"

# relay TARGET SOURCE: hands on what comes from the pipe SOURCE to the descriptor TARGET. mpirun must not hold the
# reader's pipe itself: it ends all ranks when that breaks. Here what comes later is thrown away. Ends with 74, having
# said why, when something else kept standard output from being written.
relay() {
    local code=0 reason target
    trap '' TERM HUP INT QUIT USR1
    exec {target}>&"$1"
    close_all "${writers[@]}" "$life" ${lock:+"$lock"}
    reason=$({ LC_ALL=C cat <&"$2"; } 2>&1 >&"$target") || code=$?
    if ((code == 0)); then return 0; fi
    cat <&"$2" > /dev/null
    # 128 + SIGPIPE; an error where a parent had that ignored. A terminal that has gone gives another.
    if ((code == 141)) || [[ $reason == *": Broken pipe" ]]; then return 0; fi
    if [[ -c /proc/self/fd/$target && $reason == *": Input/output error" ]]; then return 0; fi
    [[ $1 == 1 ]] || return 0
    say "standard output: write failed: ${reason##*: }"
    return 74
}

# Makes the pipes for a job's output, in `writers` and `sources`, and starts their relays: one where both streams go to
# the same place (a terminal, 2>&1), so that lines stay in the order in which mpirun wrote them.
start_relays() {
    local targets=(1) index
    if [[ ! /proc/self/fd/1 -ef /proc/self/fd/2 ]]; then targets+=(2); fi
    writers=()
    sources=()
    relays=()
    for index in "${!targets[@]}"; do
        make_pipe
        writers+=("$writer")
        sources+=("$reader")
    done
    for index in "${!targets[@]}"; do
        relay "${targets[index]}" "${sources[index]}" &
        relays+=("$!")
    done
}

# Waits for the relays, once the job is over. A signal ends the wait for a reader that takes its time. Something that
# mpirun left behind (a shared ssh connection) can hold the pipe open: a relay that had nothing to read for a second
# goes on alone.
finish_relays() {
    local index idle before=$signals status
    for index in "${!relays[@]}"; do
        idle=0
        while kill -0 "${relays[index]}" 2> /dev/null && ((idle < 50 && signals == before)); do
            if read -r -t 0 -u "${sources[index]}"; then idle=0; else idle=$((idle + 1)); fi
            sleep 0.02 || true
        done
        status=0
        if ! kill -0 "${relays[index]}" 2> /dev/null; then wait "${relays[index]}" || status=$?; fi
        if ((status == 74)); then output_is_lost=true; fi
    done
    close_all "${sources[@]}"
}

# --- Running ----------------------------------------------------------------------------------------------------------

# mpirun would kill its ranks on these signals. Whoever stops all processes of a job (systemd, a batch system) sends them to
# it as well; the ranks, for which Open MPI takes the mask away, answer with a checkpoint. (An `env` without the option: GNU
# coreutils before 8.31, other systems.)
deaf=(--block-signal=TERM --block-signal=INT --block-signal=HUP)
if ! env "${deaf[@]}" true 2> /dev/null; then deaf=(); fi

job=""
killed=false
output_is_lost=false

# Runs the job once and sets `code`.
run_job() {
    local polls=0
    if $stop_asked; then
        # Nothing was computed yet.
        code=75
        return
    fi
    start_relays
    is_running=true
    # A process group of its own keeps the terminal's Ctrl-C away from mpirun. SIGUSR1 is ignored until mpirun catches
    # it, and again when it has stopped doing so: neither an early nor a late one may end it.
    set -m
    (
        trap '' USR1
        trap - TERM HUP INT
        close_all "$life" "${sources[@]}" "${writers[@]}"
        exec env "${deaf[@]}" DTRAIN_SESSION="$token" mpirun "${flags[@]}" "$@"
    ) < /dev/null 1>&"${writers[0]}" 2>&"${writers[-1]}" &
    job=$!
    set +m
    close_all "${writers[@]}"
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
                kill -KILL -- "-$job" 2> /dev/null || true
            fi
        elif ((polls % 10 == 0)); then
            kill -USR1 "$job" 2> /dev/null || true
        fi
        polls=$((polls + 1))
        sleep 0.1 || true
    done
    if ((code != 0)); then await_ranks; fi
    is_running=false
    finish_relays
    if $killed; then
        code=130
    elif $stop_asked && ((code == 138)); then
        # The signal met a rank before it had a handler: nothing was computed yet.
        code=75
    fi
}

# Whether the run has a numbered checkpoint, as far as this host sees.
has_checkpoint() { compgen -G "$run/checkpoints/step-*" > /dev/null; }

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
    begins_elsewhere=false
    for argument in "${arguments[@]}"; do
        if $drop_value; then
            drop_value=false
            if [[ $argument != -* && $argument != *.yaml && $argument != *.yml ]]; then
                begins_elsewhere=true
                continue
            fi
        fi
        case $argument in
            --resume | --initialize) drop_value=true ;;
            --resume=* | --initialize=*) begins_elsewhere=true ;;
            *) kept+=("$argument") ;;
        esac
    done
    # Without those weights it would be another run.
    if $begins_elsewhere && ! has_checkpoint; then
        say "not started again: no checkpoint of this run is seen here yet, and it began from weights or a checkpoint elsewhere"
        break
    fi
    arguments=("${kept[@]}" --resume)
    say "the job ended with $code; starting again with --resume ($((start + 1)) of $restarts)"
    if [[ -n $session ]]; then find "$session" -xdev -mindepth 1 ! -name lock -delete 2> /dev/null || true; fi
done
if $output_is_lost && ((code == 0)); then code=74; fi
if ((code > 128 && code < 160 && code != 130)); then
    say "a rank or mpirun was killed by SIG$(kill -l "$((code - 128))"); go on with --resume"
fi
exit "$code"
