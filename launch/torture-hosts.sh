#!/usr/bin/env bash
# The part of launch/torture.sh --hosts that runs on the first host of a lab (launch/lab.sh), where it is started with
#
#   launch/torture-hosts.sh WORK PROGRAM FAULTS SEED
#
# WORK: a directory that all hosts see. It trains on all hosts and lets happen to them, FAULTS times, what happens to hosts: a
# rank, mpirun, its helper on a host, or the launcher is killed, a cable is cut, a host loses its power. `dtrain --restart`
# goes on with the hosts that answer; where the launcher itself was killed, another one goes on with other numbers of ranks. In
# the end the run is compared with one of a single process that nothing happened to.
set -euo pipefail
unset CDPATH

readonly work=$1 program=$2 faults=$3
RANDOM=$4
readonly run=$work/run reference=$work/reference config=$work/torture.yaml patience=60
say() { printf 'torture.sh: %s\n' "$*"; }
fail() {
    say "$*; see $work"
    exit 1
}

on() { ssh -F "$DTRAIN_LAB_SSH_CONFIG" "$@"; }
mapfile -t hosts < <(cut -d ' ' -f 1 "$DTRAIN_LAB_HOSTFILE")
now() { date +%s%N; }

cat > "$config" << END
data: {format: digits}
model: {layers: [{dense: {units: 256}}, relu, {dropout: {rate: 0.2}}, {dense: {units: 256}}, relu, {dense: {units: 10}}]}
optimizer: {adam: {learning_rate: 0.0005}}
training: {max_steps: 100000000, global_batch_size: 48, micro_batch_size: 4, log_every: 1}
validation: {every_steps: 1000000000}
checkpoint: {every_steps: 10, keep: 2}
END

# --- The job ----------------------------------------------------------------------------------------------------------

launcher=""
starts=0

# Starts the job on all hosts, with one or two ranks on each.
start() {
    local list="" host
    for host in "${hosts[@]}"; do list+=${list:+,}$host:$((1 + RANDOM % 2)); done
    starts=$((starts + 1))
    echo "--- start $starts: $list" >> "$work/messages"
    "$program" train "$config" --run "$run" --resume --hosts "$list" --restart 1000000 --quiet \
        >> "$work/output" 2>> "$work/messages" &
    launcher=$!
}

last_step() { { tail -n 1 "$run/metrics.jsonl" 2> /dev/null || true; } | sed -n 's/.*"step":\([0-9]*\),"epoch".*/\1/p'; }
restarts() { grep -c 'starting again' "$work/messages" || true; }

# await_progress RESTARTS: waits until the job has been started again more often than so, and trains.
await_progress() {
    local before=$1 first="" step deadline=$((SECONDS + patience))
    while (($(restarts) <= before)); do
        kill -0 "$launcher" 2> /dev/null || fail "the launcher has ended ($(tail -n 1 "$work/messages"))"
        ((SECONDS < deadline)) || fail "not started again in $patience s"
        sleep 0.02
    done
    while :; do
        step=$(last_step)
        if [[ -n $step && -n $first && $step != "$first" ]]; then return 0; fi
        if [[ -n $step ]]; then first=${first:-$step}; fi
        kill -0 "$launcher" 2> /dev/null || fail "the launcher has ended ($(tail -n 1 "$work/messages"))"
        ((SECONDS < deadline)) || fail "no step in $patience s"
        sleep 0.02
    done
}

# processes HOST NAME: the numbers of its processes of that name.
processes() { if [[ $1 == "${hosts[0]}" ]]; then pgrep -x "$2" || true; else on "$1" "pgrep -x $2" || true; fi; }
ranks() {
    local process
    for process in $(processes "$1" dtrain); do
        if on "$1" "grep -qz '^OMPI_COMM_WORLD_RANK=' /proc/$process/environ" 2> /dev/null; then echo "$process"; fi
    done
}

# --- Faults -----------------------------------------------------------------------------------------------------------

declare -A count=()
times=()
cut="" dead=""
start
await_progress -1
for ((fault = 1; fault <= faults; fault++)); do
    # Hosts that were away come back, for the next start.
    if [[ -n $cut ]]; then lab-link up "$cut" && cut=""; fi
    if [[ -n $dead ]]; then lab-host start "$dead" && dead=""; fi
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    host=${hosts[RANDOM % ${#hosts[@]}]}
    other=${hosts[1 + RANDOM % (${#hosts[@]} - 1)]}
    before=$(restarts)
    case $((RANDOM % 6)) in
        0)
            kind=rank
            mapfile -t victims < <(ranks "$host")
            # A host that came back takes part from the next start on.
            if ((${#victims[@]} == 0)); then host=${hosts[0]} && mapfile -t victims < <(ranks "$host"); fi
            on "$host" "kill -9 ${victims[RANDOM % ${#victims[@]}]}"
            ;;
        1)
            kind=mpirun
            pkill -KILL -x mpirun
            ;;
        2)
            kind=helper
            if ! on "$other" "pkill -KILL -x orted"; then pkill -KILL -x mpirun; fi
            ;;
        3)
            kind="link"
            cut=$other
            if [[ -z $(processes "$other" orted) ]]; then pkill -KILL -x mpirun; fi
            lab-link down "$other"
            ;;
        4)
            kind=host
            dead=$other
            if [[ -z $(processes "$other" orted) ]]; then pkill -KILL -x mpirun; fi
            lab-host kill "$other"
            ;;
        5)
            kind=launcher
            kill -KILL "$launcher"
            ;;
    esac
    began=$(now)
    count[$kind]=$((${count[$kind]:-0} + 1))
    echo "--- fault $fault: $kind" >> "$work/messages"
    if [[ $kind == launcher ]]; then
        { wait "$launcher"; } 2> /dev/null || true
        start
        before=-1
    fi
    await_progress "$before"
    times+=("$((($(now) - began) / 1000000)) $kind")
    echo "--- fault $fault: $kind, training again after ${times[-1]% *} ms, at step $(last_step)" >> "$work/messages"
done
if [[ -n $cut ]]; then lab-link up "$cut"; fi
if [[ -n $dead ]]; then lab-host start "$dead"; fi

# --- The end ----------------------------------------------------------------------------------------------------------

kill -TERM "$launcher"
code=0
wait "$launcher" || code=$?
((code == 75)) || fail "the launcher ended with $code instead of 75"
step=$(find "$run/checkpoints" -name 'step-*' -printf '%f\n' | sort | tail -n 1)
"$program" train "$config" --run "$reference" --steps $((10#${step#step-})) --quiet > /dev/null
for file in model.safetensors optimizer.safetensors state.json; do
    cmp "$run/checkpoints/$step/$file" "$reference/checkpoints/$step/$file" || fail "$file differs"
done
cmp <(grep '"event":"step"' "$run/metrics.jsonl") <(grep '"event":"step"' "$reference/metrics.jsonl") \
    || fail "lines of steps differ"

# What dead jobs have left is gone five seconds later, or with the next job, which has come.
sleep 5
for host in "${hosts[@]}"; do
    # shellcheck disable=SC2016 # TMPDIR is that host's
    left=$(on "$host" 'pgrep -x "dtrain|orted"; pgrep -x mpirun; ls -d /dev/shm/* "$TMPDIR"/ompi.* 2> /dev/null' || true)
    [[ -z $left ]] || fail "$host still has: ${left//$'\n'/, }"
done

kinds=""
for kind in rank mpirun helper link host launcher; do kinds+="${kinds:+, }${count[$kind]:-0} $kind"; done
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
say "$faults faults on ${#hosts[@]} hosts ($kinds), $(restarts) restarts, $starts starts, $((10#${step#step-})) steps;" \
    "training again after ${sorted[$((${#sorted[@]} / 2))]% *} ms in the median, ${sorted[-1]% *} ms at most" \
    "(${sorted[-1]#* }): equal"
