#!/usr/bin/env bash
# Tries dtrain under a real Slurm, in a cluster that launch/slurm-lab.sh makes of this machine: what ends, interrupts or moves a
# job, each beside the bits of a run in one process that nothing happened to.
#
#   launch/slurm-trial.sh [--program FILE] [NAME…]
#
# NAME: of a trial, all unless given.
#   srun      ranks that srun starts on two nodes; tasks without MPI are refused
#   mpirun    mpirun inside an allocation, in salloc and in launch/slurm.sbatch
#   requeue   launch/slurm.sbatch gets USR1: a checkpoint, and the job queues again and goes on
#   limit     the same as the time limit comes near, by Slurm's clock
#   preempt   a more urgent job takes the nodes; the job goes on behind it
#   cancel    scancel ends all processes and leaves nothing; another job goes on in the run directory
#   stop      scancel --batch --signal=INT: a checkpoint, and the job is over
#   rank      a rank is killed; the job starts it again
#   drain     a node is drained: the job goes on there, a new one goes elsewhere
#   lost      a node is killed: the job goes on with what is left; another one waits until the node is back
# --program: another dtrain than this repository's release build.
#
# A line for each trial. Ends with 0 when all went as they should, with 1 when not, 64 on a wrong command line, 66 without
# program, 69 or 77 where launch/slurm-lab.sh can have no cluster.
set -euo pipefail
unset CDPATH

# Only for what never comes.
readonly patience_seconds=240
readonly names="srun mpirun requeue limit preempt cancel stop rank drain lost"
readonly usage="usage: launch/slurm-trial.sh [--program FILE] [NAME…]"
script=$(realpath -- "${BASH_SOURCE[0]}")
folder=$(dirname -- "$script")
repository=$(dirname -- "$folder")
readonly script folder repository

say() { printf 'slurm-trial.sh: %s\n' "$*" >&2; }
fail() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# --- In the cluster ---------------------------------------------------------------------------------------------------

# What is trained: a few seconds of it.
training=("$repository/configs/digits-cnn.yaml" --set training.epochs=120 --set checkpoint.every_steps=50)

on() {
    local host=$1
    shift
    ssh -F "$DTRAIN_LAB_SSH_CONFIG" "$host" "$@" < /dev/null
}

# Ends a trial, in its own shell, that didn't go as it should; what the jobs said is shown.
wrong() {
    tail -n 40 ./*.log 2> /dev/null || true
    printf '%-8s FAILED: %s\n' "$trial" "$*"
    exit 1
}

# await WHAT COMMAND…: until COMMAND succeeds.
await() {
    local end=$((SECONDS + patience_seconds)) what=$1
    shift
    until "$@"; do
        if ((SECONDS >= end)); then wrong "waited in vain until $what"; fi
        sleep 0.05
    done
}

field() { scontrol --oneliner show job "$1" | sed -n "s/.* $2=\([^ ]*\).*/\1/p"; }
is() { [[ $(field "$1" JobState) == "$2" ]]; }
is_over() { [[ -z $(squeue --noheader --jobs="$1" 2> /dev/null) ]]; }
is_idle() { [[ $(sinfo --noheader --partition=main --nodes="$1" --format=%T) == idle ]]; }
restarts_of() {
    local count
    count=$(field "$1" Restarts)
    ((${count:-0} >= $2))
}

# The newest checkpoint's step of run $1; 0 without one.
newest() {
    local list=("$1"/checkpoints/step-????????)
    local last=${list[-1]##*-}
    [[ $last =~ ^[0-9]+$ ]] || last=0
    echo "$((10#$last))"
}
has_reached() { (($(newest "$1") >= $2)); }

# Queues launch/slurm.sbatch with options of sbatch, which end with --, and options of training; sets `id` and `run`.
queue() {
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    id=$(sbatch --parsable --job-name="$trial" "${options[@]}" "$folder/slurm.sbatch" "${training[@]}" "$@")
    run=${RUN:-$PWD/runs/$trial-$id}
}

# Ends well when the job is over, with exit code 0, and its run has the bits of the plain one.
expect_same() {
    await "job $id is over" is_over "$id"
    [[ $(field "$id" ExitCode) == 0:0 ]] || wrong "job $id ended with $(field "$id" ExitCode) ($(field "$id" JobState))"
    same "$run"
}
same() {
    local last
    last=$(printf 'step-%08d' "$(newest plain)")
    for file in model.safetensors optimizer.safetensors; do
        cmp "$1/checkpoints/$last/$file" "plain/checkpoints/$last/$file" || wrong "$1 differs from the run in one process"
    done
    "$DTRAIN" verify "$1" plain --quiet || wrong "$1: not the log of the run in one process"
}

# What jobs have left on a node: processes, shared memory, temporary files.
# shellcheck disable=SC2016 # for the shell there
remains() { on "$1" 'ps -eo comm= | grep -xE "dtrain|orted|slurmstepd"; ls -A /dev/shm "$TMPDIR" | grep -v "^$\|:$"'; }
is_clean() { [[ -z $(remains "$1") ]]; }
expect_nothing_left() {
    local host end
    for host in lab1 lab2; do
        end=$((SECONDS + patience_seconds))
        until is_clean "$host"; do
            if ((SECONDS >= end)); then wrong "left on $host: $(remains "$host")"; fi
            sleep 0.1
        done
    done
}

done_well() { printf '%-8s %s\n' "$trial" "$*"; }

try_srun() {
    local code=0 text
    srun --nodes=2 --ntasks=4 --mpi=pmix "$DTRAIN" train "${training[@]}" --run run --quiet > /dev/null
    same run
    text=$(srun --nodes=2 --ntasks=2 --mpi=none "$DTRAIN" train "${training[@]}" --run lone 2>&1) || code=$?
    [[ $code == 64 && $text == *"start ranks with srun --mpi=pmix"* && ! -e lone ]] || wrong "lone tasks: $code: $text"
    code=0
    text=$(srun --nodes=2 --ntasks=2 --mpi=pmix "$DTRAIN" train nothing.yaml --run lone 2>&1) || code=$?
    [[ $code == 66 ]] || wrong "a configuration that isn't there: $code: $text"
    expect_nothing_left
    done_well "4 ranks on 2 nodes: equal; 2 tasks without MPI: refused, 64; the ranks' exit code is srun's"
}

try_mpirun() {
    salloc --quiet --nodes=2 --ntasks=4 mpirun -q "$DTRAIN" train "${training[@]}" --run run --quiet > /dev/null
    same run
    export LAUNCHER=mpirun
    queue --nodes=2 --ntasks=4 --
    await "step 200" has_reached "$run" 200
    scancel --batch --signal=USR1 "$id"
    await "job $id queues again" restarts_of "$id" 1
    expect_same
    expect_nothing_left
    done_well "4 ranks on 2 nodes in salloc: equal; a batch job with USR1: queued again, equal"
}

try_requeue() {
    local at
    queue --nodes=2 --ntasks=2 --
    await "step 200" has_reached "$run" 200
    scancel --batch --signal=USR1 "$id"
    await "job $id queues again" restarts_of "$id" 1
    at=$(newest "$run")
    has_reached plain "$((at + 1))" || wrong "stopped at $at, after the end"
    expect_same
    expect_nothing_left
    done_well "USR1: checkpoint at step $at, queued again, went on: equal"
}

try_limit() {
    # Slurm looks every 30 s, and counts a signal as due when it might be late by the next look. Enough work for a minute.
    training+=(--set training.epochs=3000)
    queue --nodes=2 --ntasks=2 --time=1 --signal=USR1@10 --
    await "job $id queues again before its time is up" restarts_of "$id" 1
    local at
    at=$(newest "$run")
    ((at > 0)) || wrong "no checkpoint"
    # Without the rest of the minutes it ends where the plain run does.
    scancel "$id"
    await "job $id is over" is_over "$id"
    "$DTRAIN" train "${training[@]}" --run short --steps "$at" --quiet > /dev/null
    cmp "$run/checkpoints/$(printf 'step-%08d' "$at")/model.safetensors" \
        "short/checkpoints/$(printf 'step-%08d' "$at")/model.safetensors" || wrong "step $at differs"
    expect_nothing_left
    done_well "--time=1 --signal=USR1@10: checkpoint at step $at, queued again: equal"
}

try_preempt() {
    local urgent
    queue --nodes=2 --ntasks=4 --
    await "step 200" has_reached "$run" 200
    urgent=$(sbatch --parsable --partition=urgent --nodes=2 --ntasks=4 --output=urgent.log --wrap 'sleep 1')
    await "job $id makes room" restarts_of "$id" 1
    await "job $urgent is over" is_over "$urgent"
    local at
    at=$(newest "$run")
    expect_same
    expect_nothing_left
    done_well "SIGTERM: checkpoint at step $at, queued again behind the urgent job: equal"
}

try_cancel() {
    local first
    queue --nodes=2 --ntasks=4 --
    await "step 200" has_reached "$run" 200
    scancel "$id"
    await "job $id is over" is_over "$id"
    expect_nothing_left
    [[ $(field "$id" Restarts) == 0 ]] || wrong "it queued again"
    first=$(newest "$run")
    export RUN=$run
    queue --nodes=2 --ntasks=2 --
    expect_same
    done_well "all gone, nothing left, checkpoint at step $first; another job went on from it: equal"
}

try_stop() {
    queue --nodes=2 --ntasks=2 --
    await "step 200" has_reached "$run" 200
    scancel --batch --signal=INT "$id"
    await "job $id is over" is_over "$id"
    [[ $(field "$id" ExitCode) == 75:0 && $(field "$id" Restarts) == 0 ]] || wrong "ended with $(field "$id" ExitCode)"
    expect_nothing_left
    local at
    at=$(newest "$run")
    export RUN=$run
    queue --nodes=1 --ntasks=2 --
    expect_same
    done_well "checkpoint at step $at, over with 75; another job, on one node, went on: equal"
}

try_rank() {
    queue --nodes=2 --ntasks=4 --
    await "step 200" has_reached "$run" 200
    # shellcheck disable=SC2016 # for the shell there
    on lab2 'set -- $(pgrep -x dtrain); kill -KILL "$1"'
    expect_same
    grep -q 'starting again from the newest checkpoint' "$trial-$id.log" || wrong "it wasn't started again"
    expect_nothing_left
    done_well "a rank killed: started again on the same nodes: equal"
}

try_drain() {
    local other where
    queue --nodes=2 --ntasks=2 --
    await "step 200" has_reached "$run" 200
    scontrol update NodeName=lab1 State=DRAIN Reason=trial
    other=$(sbatch --parsable --nodes=1 --ntasks=1 --output=other.log --wrap hostname)
    await "job $other is over" is_over "$other"
    where=$(field "$other" NodeList)
    [[ $where == lab2 && $(field "$id" JobState) == RUNNING ]] || wrong "the new job ran on $where"
    expect_same
    done_well "lab1 drained: its job went on to the end: equal; a new job went to $where"
}

# Kills the daemons and ranks of lab2 at once. What Slurm's daemon would have removed of its own is removed for it.
lose_node() {
    # shellcheck disable=SC2016 # for the shell there
    on lab2 'kill -KILL $(cat /run/slurmd.pid) $(pgrep slurmstepd) $(pgrep -x dtrain); rm -rf "$TMPDIR"/spmix_appdir_*'
}

try_lost() {
    local host others=()
    # One that can do with less; others take half of each node, so that it begins on both.
    for host in lab1 lab2; do
        others+=("$(sbatch --parsable --nodelist="$host" --ntasks=1 --output=other.log --wrap 'sleep 600')")
    done
    for id in "${others[@]}"; do await "job $id runs" is "$id" RUNNING; done
    queue --nodes=1-2 --ntasks=2 --
    await "step 200" has_reached "$run" 200
    [[ $(field "$id" NodeList) == "lab[1-2]" ]] || wrong "job $id ran on $(field "$id" NodeList)"
    scancel "${others[@]}"
    await "job ${others[0]} is over" is_over "${others[0]}"
    lose_node
    await "job $id queues again" restarts_of "$id" 1
    expect_same
    [[ $(field "$id" NodeList) == lab1 ]] || wrong "it went on on $(field "$id" NodeList)"
    on lab2 "$DTRAIN_LAB_SHARED/start-node"
    await "lab2 is back" is_idle lab2
    # One that needs both.
    queue --nodes=2 --ntasks=2 --
    await "step 200" has_reached "$run" 200
    lose_node
    await "job $id queues again" restarts_of "$id" 1
    await "job $id waits for lab2" is "$id" PENDING
    on lab2 "$DTRAIN_LAB_SHARED/start-node"
    expect_same
    expect_nothing_left
    done_well "lab2 killed: went on on lab1 alone: equal; one that needs both waited until it was back: equal"
}

if [[ ${1:-} == --inside ]]; then
    shift
    failed=0
    cd "$DTRAIN_LAB_SHARED"
    "$DTRAIN" train "${training[@]}" --run plain --quiet > /dev/null
    for trial in "$@"; do
        mkdir "trial-$trial"
        (
            cd "trial-$trial"
            ln -s ../plain plain
            "try_$trial"
        ) || failed=1
        scancel --state=PENDING --state=RUNNING 2> /dev/null || true
        scontrol update NodeName=lab1 State=RESUME 2> /dev/null || true
    done
    exit "$failed"
fi

# --- Outside ----------------------------------------------------------------------------------------------------------

program=$repository/.build/release/dtrain
asked=()
while (($# > 0)); do
    case $1 in
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --program)
            [[ -n ${2:-} ]] || fail 64 "--program wants a file; $usage"
            program=$2
            shift 2
            ;;
        *)
            [[ " $names " == *" $1 "* ]] || fail 64 "there is no trial \"$1\", only: $names; $usage"
            asked+=("$1")
            shift
            ;;
    esac
done
if ((${#asked[@]} == 0)); then IFS=' ' read -ra asked <<< "$names"; fi
[[ -x $program ]] || fail 66 "there is no program $program; build it: swift build -c release"
DTRAIN=$(realpath -- "$program")
export DTRAIN
exec "$folder/slurm-lab.sh" -- "$BASH" "$script" --inside "${asked[@]}"
