#!/usr/bin/env bash
# Kills a training run again and again and shows that nothing is lost.
#
#   launch/torture.sh [--kills N] [--seed S] [--network dense|convolutional|recurrent|language|workers] [--program FILE]
#   launch/torture.sh --hosts H [--kills N] [--seed S]
#
# Starts a run of about 5 M parameters (of dense layers, unless --network says otherwise; recurrent: an LSTM whose state goes on
# from step to step over streams of a text; language: a GPT with dropout, tied ends and AdamW; workers: 1.2 M, three workers that
# meet every five steps) on 1 to 4 ranks (launch/local.sh, dtrain --ranks or plain dtrain), kills a rank, mpirun or every process
# of the job with SIGKILL, mostly while a checkpoint is being written, and resumes at once on another number of ranks; N times (25
# unless given). What comes out at the end is compared, byte for byte, with a run that was left alone: weights, optimizer state,
# the best checkpoint, the line of every step. S (1 unless given) fixes the sequence of choices; the timing of the machine remains
# its own.
#
# --hosts: the same over H hosts (2 or more) that launch/lab.sh makes, on which also mpirun's helper is killed, a cable cut and a
# whole host left without power; dtrain --restart goes on with the hosts that answer. See launch/torture-hosts.sh.
#
# A kill counts as one inside checkpoint writing when the temporary directory was there right before it and right
# after it; at least a fifth must be such.
#
# Ends with 0 when all is equal, 1 when something isn't (the directory with both runs and every output is then kept),
# 64 for a wrong command line, 66 without dtrain or mpirun, 77 where there is too little room on the disk.
#
# --program: the dtrain to torment, unless it is the one that was built here or is on the PATH. One that is built with MPICH starts
# its ranks itself, since launch/local.sh is for Open MPI.
#
# Environment: TMPDIR (the runs lie in a directory there; /tmp unless set).
set -euo pipefail
unset CDPATH

readonly usage="usage: launch/torture.sh [--hosts H] [--kills N] [--seed S] [--network dense|convolutional|recurrent|language|workers] [--program FILE]"
repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly repository

exec {messages}>&2
say() { printf 'torture.sh: %s\n' "$*" >&"$messages"; }
refuse() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

kills=25
seed=1
network=""
hosts=""
program=$repository/.build/release/dtrain
while (($# > 0)); do
    case $1 in
        --kills | --seed | --hosts)
            [[ ${2:-} =~ ^[0-9]{1,9}$ ]] || refuse 64 "$1 wants a number, found \"${2:-}\"; $usage"
            case $1 in
                --kills) kills=$((10#$2)) ;;
                --seed) seed=$((10#$2)) ;;
                --hosts) hosts=$((10#$2)) ;;
            esac
            shift 2
            ;;
        --network)
            [[ ${2:-} =~ ^(dense|convolutional|recurrent|language|workers)$ ]] \
                || refuse 64 "--network wants dense, convolutional, recurrent, language or workers, found \"${2:-}\"; $usage"
            network=$2
            shift 2
            ;;
        --program)
            [[ -f ${2:-} && -x $2 ]] || refuse 64 "--program wants a program, found \"${2:-}\"; $usage"
            program=$(realpath -- "$2")
            shift 2
            ;;
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) refuse 64 "unknown argument \"$1\"; $usage" ;;
    esac
done
((kills >= 1)) || refuse 64 "--kills wants at least 1; $usage"
if [[ -n $hosts ]]; then
    ((hosts >= 2 && hosts <= 64)) || refuse 64 "--hosts wants a number from 2 to 64; $usage"
    [[ -z $network ]] || refuse 64 "--network goes without --hosts; $usage"
fi
network=${network:-dense}

if [[ ! -x $program ]]; then
    program=$(command -v dtrain) || refuse 66 "dtrain is neither built nor on the PATH; build it with: swift build" \
        "-c release (in $repository)"
fi
ways=(local ranks)
case $("$program" --version) in
    *MPICH*) ways=(ranks ranks) ;;
    *) command -v mpirun > /dev/null || refuse 66 "mpirun isn't there; install it with launch/setup.sh" ;;
esac
readonly kills seed network program ways

temporary=${TMPDIR:-/tmp}
# No program takes it for an option then.
if [[ $temporary != /* ]]; then temporary=$PWD/$temporary; fi
readonly temporary
[[ -d $temporary && -w $temporary ]] || refuse 73 "$temporary can't be written; set TMPDIR to a directory that can"
free=$(df -Pk "$temporary" | awk 'NR == 2 { print $4 }')
# Seven checkpoints of 62 MB, in part twice.
((free >= 1000000)) || refuse 77 "$temporary has $((free / 1024)) MB free, 1 GB is needed for the checkpoints; set TMPDIR"
work=$(mktemp -d "$temporary/dtrain-torture-XXXXXX")
if [[ -n $hosts ]]; then
    code=0
    "$repository/launch/lab.sh" --hosts "$hosts" -- "$repository/launch/torture-hosts.sh" "$work" "$program" "$kills" "$seed" \
        || code=$?
    if ((code == 0)); then rm -rf -- "$work"; fi
    exit "$code"
fi
readonly work run=$work/run reference=$work/reference
# The shell tells of every job that was killed; that is no news here.
exec 2> "$work/shell.log"

# --- The run ----------------------------------------------------------------------------------------------------------

# While there are kills to come the run has no end that a fast machine could reach: how far it got decides how far both
# runs are taken (`--steps`). Only the schedule and the digits of a step's number see max_steps.
readonly every_steps=4
readonly max_steps=$((kills * 1000))

data="{format: digits}"
stateful=false
synchronization=owner
optimizer="{adam: {learning_rate: 0.0005}}"
case $network in
    workers)
        synchronization="{local: {workers: 3, steps: 5, outer: nesterov}}"
        layers="
    - dense: {units: 1024}
    - batch_norm
    - relu
    - dropout: {rate: 0.2}
    - dense: {units: 1088}
    - relu
    - dense: {units: 10}"
        ;;
    dense)
        layers="
    - dense: {units: 2304}
    - relu
    - dropout: {rate: 0.2}
    - dense: {units: 2176}
    - relu
    - dense: {units: 10}"
        ;;
    recurrent)
        seq 600 > "$work/numbers.txt"
        data="{format: text, train: {path: \"$work/numbers.txt\"}, validation_fraction: 0.1, context: 8}"
        stateful=true
        layers="
    - embedding: {embedding_dim: 64}
    - lstm: {units: 700, output: all, layers: 2, dropout: 0.1}
    - dense: {units: 11}"
        ;;
    language)
        seq 600 > "$work/numbers.txt"
        data="{format: text, train: {path: \"$work/numbers.txt\"}, validation_fraction: 0.1, context: 8}"
        optimizer="{adamw: {learning_rate: 0.0005, weight_decay: 0.1, decay: matrices}}"
        layers="
    - embedding: {units: 256, name: tokens}
    - positional_embedding
    - dropout: {rate: 0.1}
    - repeat: {times: 6, layers: [{transformer_block: {heads: 4, causal: true, dropout: 0.1}}]}
    - layer_norm
    - dense: {units: vocabulary, bias: false, tie: tokens}"
        ;;
    convolutional)
        layers="
    - reshape: {shape: [1, 8, 8]}
    - conv2d: {filters: 64, kernel: 3, padding: same, bias: false}
    - batch_norm
    - relu
    - residual: {layers: [conv2d: {filters: 64, kernel: 3, padding: same}, batch_norm]}
    - dropout2d: {rate: 0.1}
    - flatten
    - dense: {units: 1200}
    - relu
    - dense: {units: 10}"
        ;;
esac
readonly layers data optimizer stateful synchronization

cat > "$work/torture.yaml" << END
data: $data
model:
  layers:$layers
loss: cross_entropy
optimizer: $optimizer
schedule: {cosine: {warmup_steps: 10}}
gradient_clipping: {norm: 1.0}
metrics: [accuracy]
training:
  max_steps: $max_steps
  global_batch_size: 12          # three micro-batches, and a short one at the end of an epoch
  micro_batch_size: 4
  seed: $seed
  stateful: $stateful
  synchronization: $synchronization
  log_every: 1
validation: {every_steps: 18}
checkpoint: {every_steps: $every_steps, keep: 2}
END

# --- Small things -----------------------------------------------------------------------------------------------------

# Random numbers that every version of the shell makes alike. `draw N` sets `drawn` to one of 0 … N − 1.
random_state=$((seed * 2654435761 % 2147483648))
draw() {
    random_state=$(((random_state * 1103515245 + 12345) % 2147483648))
    drawn=$(((random_state >> 8) % $1))
}

# Hundredths of a second since the machine started, as `now`.
look_at_clock() {
    read -r now _ < /proc/uptime
    now=$((10#${now/./}))
}

# A rest without a process: nothing is ever written into this pipe.
mkfifo "$work/nothing"
exec {nothing}<> "$work/nothing"
rest() {
    read -rt "$1" -u "$nothing" _ || true
    if ((stopped > 0)); then exit "$stopped"; fi
}

# The live processes of a job, known by the environment they were started with. (A dead one that nobody has waited for
# yet has none.)
processes_of() {
    { grep -lzE "^DTRAIN_TORTURE=$$-$1\$" /proc/[0-9]*/environ 2> /dev/null || true; } | cut -d/ -f3
}

launchers=()
finished=false
stopped=0

# shellcheck disable=SC2317 # the trap below calls it
clean_up() {
    local pids attempt
    trap - EXIT
    for ((attempt = 0; attempt < 100; attempt++)); do
        pids=$(processes_of '[0-9]+')
        [[ -n $pids ]] || break
        # shellcheck disable=SC2086 # a list of numbers
        kill -KILL $pids 2> /dev/null || true
        sleep 0.05
    done
    # Launchers remove what dead ones left in shared memory.
    "$repository/launch/local.sh" -np 1 true > /dev/null 2>&1 || true
    if $finished || ((stopped > 0)); then
        rm -rf "$work"
    else
        grep -v ' Killed  ' "$work/shell.log" >&"$messages" || true
        say "everything is kept in $work"
    fi
}
trap clean_up EXIT
# Handlers only note it: a shell that exits from one while it reads with a time limit crashes (bash 5.2).
trap 'stopped=129' HUP
trap 'stopped=130' INT
trap 'stopped=143' TERM

# Ends the test: what happened, and the output of the jobs given.
fail() {
    local message=$1 job
    shift
    for job in "$@"; do
        [[ -f $work/job-$job.log ]] || continue
        printf -- '--- output of job %s (%s):\n' "$job" "${descriptions[job]}"
        tail -n 30 "$work/job-$job.log"
        printf -- '---\n'
    done
    printf 'torture: %d of %d kills: %s\n' "$kill_count" "$kills" "$message"
    exit 1
}

# --- Jobs -------------------------------------------------------------------------------------------------------------

job=0            # the number of the running job
descriptions=()
kill_count=0
resumes=0
lost_steps=0
logged_step=0    # the last step that a killed job had logged
furthest_step=0  # the last step that any job had logged
base_step=0      # the step from which the newest job that began to train went on
start_time=100   # how long a job took to begin training, hundredths of a second
write_time=20    # how long a temporary directory lived, likewise

# start_job RANKS WAY ARGUMENTS: starts a job in a session of its own.
start_job() {
    local ranks=$1 way=$2 command
    shift 2
    case $way in
        plain) command=("$program" train) ;;
        ranks) command=("$program" train --ranks "$ranks") ;;
        local) command=("$repository/launch/local.sh" -np "$ranks" "$program" train) ;;
    esac
    case $way in
        plain) descriptions[job]="plain dtrain" ;;
        ranks) descriptions[job]="dtrain --ranks $ranks" ;;
        local) descriptions[job]="local.sh -np $ranks" ;;
    esac
    log=$work/job-$job.log
    : > "$log"
    setsid env DTRAIN_TORTURE=$$-$job "${command[@]}" "$@" > "$log" 2>&1 < /dev/null &
    launcher=$!
    launchers[job]=$launcher
    look_at_clock
    started_at=$now
    deadline=$((now + 18000))
    has_begun=false
    from_step=0
    unread=""
    exec {reader}< "$log"
}

# Takes in what the job has printed since the last look.
read_log() {
    local part
    while IFS= read -r part <&"$reader"; do
        note_line "$unread$part"
        unread=""
    done
    unread+=$part
}

note_line() {
    case $1 in
        "resumed from "*)
            if [[ $1 =~ step-([0-9]+) ]]; then from_step=$((10#${BASH_REMATCH[1]})); fi
            ;;
        *" parameters, "*" samples to train"*) has_begun=true ;;
    esac
}

# A rest while the job runs, which it must. Looks at its output too.
watch_job() {
    rest "$1"
    read_log
    look_at_clock
    if ! kill -0 "$launcher" 2> /dev/null; then
        local code=0
        wait "$launcher" 2> /dev/null || code=$?
        read_log
        fail "job $job (${descriptions[job]}) ended by itself with $code" "$((job - 1))" "$job"
    fi
    if ((now > deadline)); then fail "job $job (${descriptions[job]}) hangs" "$((job - 1))" "$job"; fi
}

# Called when a job trains: the run directory is its own, so no rank of an older one may be alive.
note_beginning() {
    local pair
    look_at_clock
    start_time=$(((start_time + now - started_at) / 2))
    for pair in ${old_ranks[@]+"${old_ranks[@]}"}; do
        if grep -qzxF "DTRAIN_TORTURE=$$-${pair#*:}" "/proc/${pair%:*}/environ" 2> /dev/null; then
            fail "a rank of job ${pair#*:} still lives while job $job has the run directory" "${pair#*:}" "$job"
        fi
    done
    old_ranks=()
    base_step=$from_step
    if ((logged_step > base_step)); then lost_steps=$((lost_steps + logged_step - base_step)); fi
    logged_step=0
}

# Waits until the killed jobs are gone, launchers and all, and looks at how they ended.
settle() {
    local old code left
    for old in ${unsettled[@]+"${unsettled[@]}"}; do
        look_at_clock
        local limit=$((now + 1000))
        while kill -0 "${launchers[old]}" 2> /dev/null || [[ -n $(processes_of "$old") ]]; do
            rest 0.02
            look_at_clock
            ((now < limit)) || {
                left=$(processes_of "$old")
                fail "processes of job $old were there 10 s after it was killed: ${left//$'\n'/ }" "$old"
            }
        done
        code=0
        { wait "${launchers[old]}"; } 2> /dev/null || code=$?
        # 128 + SIGKILL, from the shell or handed on by mpirun; or 128 + SIGPIPE, of which mpirun itself dies at times
        # when a rank is gone before it was wired up.
        if ((code != 137 && (code != 141 || had_begun[old]))); then fail "job $old (${descriptions[old]}) was killed and ended with $code" "$old"; fi
    done
    unsettled=()
}

# --- Killing ----------------------------------------------------------------------------------------------------------

old_ranks=()     # ranks of killed jobs, as process:job
unsettled=()     # killed jobs that `settle` hasn't seen end
had_begun=()     # for each killed job, 1 if it was training already
inside=0
by_rank=0
by_mpirun=0
by_all=0

# Who belongs to the running job: `everyone`, and among them `mpirun` and `ranks`, each with its `numbers`.
look_at_job() {
    local process name
    everyone=()
    mpirun=""
    ranks=()
    numbers=()
    for process in $(processes_of "$job"); do
        { read -r name < "/proc/$process/comm"; } 2> /dev/null || continue
        everyone+=("$process")
        case $name in
            mpirun* | orterun) mpirun=${mpirun:-$process} ;;
            dtrain)
                local number
                number=$(sed -zn 's/^\(OMPI_COMM_WORLD\|PMI\)_RANK=//p' "/proc/$process/environ" 2> /dev/null | tr -d '\0') || true
                if [[ $way == plain ]]; then number=0; fi
                if [[ -n $number ]]; then
                    ranks+=("$process")
                    numbers+=("$number")
                fi
                ;;
        esac
    done
}

# Sets `partial` to a checkpoint's temporary directory, if there is one.
look_for_partial() {
    local path
    partial=""
    for path in "$run"/checkpoints/.incomplete-*; do
        if [[ -d $path ]]; then partial=$path; fi
    done
}

# Waits until the checkpoint in the making has been one for a while, the COUNT-th that is seen, or until LIMIT
# hundredths of a second have passed; then sets `partial`. While waiting it learns how long writing takes.
await_partial() {
    local count=$1 share=$2 limit=$3 seen=0 last="" appeared=0 begun
    look_at_clock
    begun=$now
    while :; do
        look_for_partial
        if [[ $partial != "$last" ]]; then
            look_at_clock
            if [[ -n $last ]]; then write_time=$(((3 * write_time + now - appeared + 2) / 4)); fi
            if [[ -n $partial ]]; then
                appeared=$now
                seen=$((seen + 1))
            fi
            last=$partial
            if ((seen == count)) && [[ -n $partial ]]; then break; fi
        fi
        if ((limit > 0 && now - begun >= limit)); then return; fi
        watch_job 0.002
    done
    local delay
    printf -v delay '%d.%04d' $((share * write_time / 10000)) $((share * write_time % 10000))
    if ((share * write_time > 0)); then rest "$delay"; fi
    look_for_partial
}

# strike MAY_BE_INSIDE: kills what `kind` says, as far as it is there, and counts. MAY_BE_INSIDE: whether a
# temporary directory that is there is this job's.
strike() {
    local may_be_inside=$1 victims process tries index before="" what
    if [[ $kind == mpirun && -z $mpirun ]]; then kind=rank; fi
    if [[ $kind == rank ]] && ((${#ranks[@]} == 0)); then
        if [[ -n $mpirun ]]; then kind=mpirun; else kind=all; fi
    fi
    case $kind in
        rank)
            index=$((which % ${#ranks[@]}))
            victims=("${ranks[index]}")
            what="rank ${numbers[index]}"
            ;;
        mpirun)
            victims=("$mpirun")
            what=mpirun
            ;;
        all)
            victims=("$launcher" ${everyone[@]+"${everyone[@]}"})
            what=all
            ;;
    esac
    if $may_be_inside; then before=$partial; fi
    if [[ -n $before && ! -d $before ]]; then before=""; fi
    kill -KILL "${victims[@]}" 2> /dev/null || true
    if [[ -n $before && ! -d $before ]]; then before=""; fi

    # Those that were born meanwhile.
    if [[ $kind == all ]]; then
        for ((tries = 0; tries < 100; tries++)); do
            victims=()
            for process in $(processes_of "$job"); do victims+=("$process"); done
            ((${#victims[@]} > 0)) || break
            kill -KILL "${victims[@]}" 2> /dev/null || true
        done
    fi
    kill_count=$((kill_count + 1))
    case $kind in
        rank) by_rank=$((by_rank + 1)) ;;
        mpirun) by_mpirun=$((by_mpirun + 1)) ;;
        all) by_all=$((by_all + 1)) ;;
    esac
    if [[ -n $before ]]; then inside=$((inside + 1)); fi
    for process in ${ranks[@]+"${ranks[@]}"}; do old_ranks+=("$process:$job"); done
    unsettled+=("$job")
    had_begun[job]=$($has_begun && echo 1 || echo 0)
    exec {reader}<&-

    local step
    step=$({ tail -n 2 "$run/metrics.jsonl" 2> /dev/null || true; } \
        | sed -n 's/^{"event":"[a-z]*","step":\([0-9]*\),.*/\1/p' | tail -n 1)
    if ((${step:-0} > logged_step)); then logged_step=$step; fi
    if ((logged_step > furthest_step)); then furthest_step=$logged_step; fi
    if $has_begun; then
        echo "kill $kill_count: ${descriptions[job]}, from step $base_step: $what${before:+ inside ${before##*/.incomplete-}}"
    else
        echo "kill $kill_count: ${descriptions[job]}, while starting: $what"
    fi
}

# run_to_end RANKS WAY ARGUMENTS: a job that nobody kills.
run_to_end() {
    local code=0
    start_job "$@"
    wait "$launcher" || code=$?
    if ((stopped > 0)); then exit "$stopped"; fi
    read_log
    exec {reader}<&-
    if ((code != 0)); then fail "job $job (${descriptions[job]}) ended with $code" "$((job - 1))" "$job"; fi
}

look_at_clock
readonly begun_at=$now

# --- Kills ------------------------------------------------------------------------------------------------------------

rank_count=0
for ((job = 1; job <= kills; job++)); do
    # Every kill draws as many numbers, whatever becomes of them.
    former=$rank_count
    draw 3
    rank_count=$((former == 0 ? drawn + 1 : (former + drawn) % 4 + 1))
    draw 12
    if ((rank_count == 1 && drawn < 6)); then way=plain; elif ((drawn % 3 == 0)); then way=ranks; else way=${ways[0]}; fi
    draw 20
    if ((drawn < 9)); then kind=rank; elif ((drawn < 14)); then kind=mpirun; else kind=all; fi
    draw 100
    which=$drawn
    draw 20
    if ((drawn < 13)); then moment=inside; elif ((drawn < 17)); then moment=between; else moment=start; fi
    draw 20
    if ((drawn < 13)); then count=1; elif ((drawn < 18)); then count=2; else count=3; fi
    draw 100
    share=$drawn
    arguments=("$work/torture.yaml" --run "$run")
    if ((job > 1)); then
        arguments+=(--resume)
        resumes=$((resumes + 1))
    fi
    start_job "$rank_count" "$way" "${arguments[@]}"
    if [[ $moment == start ]]; then
        while ((now - started_at < share * start_time / 100)) && ! $has_begun; do watch_job 0.005; done
    else
        while ! $has_begun; do watch_job 0.005; done
    fi
    partial=""
    if $has_begun; then note_beginning; fi
    if [[ $moment != start ]]; then settle; fi
    look_at_job
    case $moment in
        # Delays in hundredths of the time that writing takes, most of them within it.
        inside) await_partial "$count" $((share * 9 / 10)) 0 ;;
        between) await_partial 3 0 $((share * (2 * write_time + 40) / 100 + 1)) ;;
    esac
    strike "$has_begun"
done

# --- The end ----------------------------------------------------------------------------------------------------------

# All the dead are gone, so this start finds all that they left in shared memory, and removes it.
settle
draw 4
ranks_at_end=$((drawn + 1))
draw 2
way=${ways[drawn > 0]}
resumes=$((resumes + 1))
# A line can be younger than what had been logged when its job was struck.
for path in "$run"/checkpoints/step-*; do
    step=$((10#${path##*-}))
    if ((step > furthest_step)); then furthest_step=$step; fi
done
# Behind the first validation, too.
last_step=$((furthest_step + 2 * every_steps))
if ((last_step < 24)); then last_step=24; fi
readonly last_step
run_to_end "$ranks_at_end" "$way" "$work/torture.yaml" --run "$run" --resume --steps "$last_step" \
    --set checkpoint.every_steps=50
$has_begun || fail "the last job says nothing of its training" "$job"
note_beginning

job=$((job + 1))
draw 4
run_to_end $((drawn + 1)) "${ways[0]}" "$work/torture.yaml" --run "$reference" --steps "$last_step" \
    --set "checkpoint.every_steps=$max_steps"
echo "uninterrupted: ${descriptions[job]}, $last_step steps"

differences=()
differs() { differences+=("$*"); }

last=$(printf 'step-%08d' "$last_step")
for place in "$last" best; do
    for file in model.safetensors optimizer.safetensors; do
        cmp -s "$reference/checkpoints/$place/$file" "$run/checkpoints/$place/$file" \
            || differs "$place/$file is another than that of the uninterrupted run"
    done
done
for event in step validation; do
    for directory in "$reference" "$run"; do
        grep "^{\"event\":\"$event\"" "$directory/metrics.jsonl" > "$directory/$event.lines" || true
    done
    cmp -s "$reference/$event.lines" "$run/$event.lines" \
        || differs "the $event lines of metrics.jsonl: $(diff "$reference/$event.lines" "$run/$event.lines" | sed -n 2p)"
done
steps=$(sed -n 's/^{"event":"step","step":\([0-9]*\),.*/\1/p' "$run/metrics.jsonl")
[[ $steps == "$(seq "$last_step")" ]] || differs "metrics.jsonl doesn't have every step from 1 to $last_step once"

# One of the numbered checkpoints for each that is kept, best, and nothing half-made.
for path in "$run"/checkpoints/* "$run"/checkpoints/.[!.]* "$run"/.incomplete-* "$run"/*.new; do
    case ${path##*/} in
        best | step-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]) ;;
        *) if [[ -e $path ]]; then differs "left behind: ${path#"$work/"}"; fi ;;
    esac
done
shopt -s nullglob
kept=("$run"/checkpoints/step-*)
((${#kept[@]} == 2)) || differs "${#kept[@]} numbered checkpoints are there, expected 2"
for launcher in "${launchers[@]}"; do
    for path in {/dev/shm,"$temporary"}/{.,}dtrain-"$EUID"-"$launcher"{,-*}; do
        if [[ -e $path ]]; then differs "left behind: $path"; fi
    done
done
processes=$(processes_of '[0-9]+')
[[ -z $processes ]] || differs "processes left behind: ${processes//$'\n'/ }"
# What SIGKILL leaves under a checkpoint's name must be a checkpoint.
grep -h 'is damaged and passed over' "$work"/job-*.log > "$work/fall-backs" || true
fall_backs=$(wc -l < "$work/fall-backs")
((fall_backs == 0)) || differs "a kill damaged a checkpoint: $(head -n 1 "$work/fall-backs")"
((inside * 5 >= kills)) || differs "only $inside of $kills kills were inside checkpoint writing, expected a fifth"

look_at_clock
verdict=equal
if ((${#differences[@]} > 0)); then
    printf 'differs: %s\n' "${differences[@]}"
    verdict="NOT equal: ${differences[0]}"
else
    finished=true
fi
printf 'torture: %d kills (%d a rank, %d mpirun, %d all), %d inside checkpoint writing, %d resumes, %d fall-backs, ' \
    "$kill_count" "$by_rank" "$by_mpirun" "$by_all" "$inside" "$resumes" "$fall_backs"
printf '%d of %d steps done again, %d s: %s\n' "$lost_steps" $((last_step + lost_steps)) $(((now - begun_at) / 100)) \
    "$verdict"
$finished
