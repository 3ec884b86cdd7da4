#!/usr/bin/env bash
# The part of launch/torture.sh --hosts that runs on the first host of a lab (launch/lab.sh), where it is started with
#
#   launch/torture-hosts.sh WORK PROGRAM FAULTS SEED
#
# WORK: a directory that all hosts see. It trains on all hosts and lets happen to them, FAULTS times, what happens to hosts: a
# rank, mpirun, its helper on a host, or the launcher is killed, a cable is cut, a host loses its power. `dtrain --restart`
# goes on with the hosts that answer; where the launcher itself was killed, another one goes on with other numbers of ranks. In
# the end the run is compared with one of a single process that nothing happened to.
#
# Two times are taken of each fault, from just before it on: until the job that it hit is gone from all hosts, those included that
# are cut off; and until a rank has logged a step again. WORK/times has a line for each: its kind, the job's processes gone, what
# they had in /dev/shm and in the scratch directories gone (- where that waits for the next job), training again; milliseconds.
#
#   launch/torture-hosts.sh --departure WORK FAULT PROCESS
#
# is what runs on each host meanwhile: what is there of the job now, but for PROCESS, is looked for until it is gone.
set -euo pipefail
unset CDPATH

now() { date +%s%3N; }

# departure WORK FAULT PROCESS: writes when that was into WORK/departures/FAULT-HOST, which is there, empty, from when it has seen
# what to look for.
departure() {
    local file process path processes=() paths=() limit gone
    file=$1/departures/$2-$(hostname)
    for process in $(pgrep -x 'dtrain|dtrain-watch|mpirun|orted'); do
        if [[ $process != "$3" ]]; then processes+=("$process"); fi
    done
    for path in /dev/shm/* "$TMPDIR"/ompi.*/*; do
        if [[ -e $path ]]; then paths+=("$path"); fi
    done
    : > "$file"
    limit=$((SECONDS + 60))
    for process in "${processes[@]}"; do
        while [[ -d /proc/$process ]] && ((SECONDS < limit)); do sleep 0.04; done
        if [[ -d /proc/$process ]]; then
            # What it waits for in the kernel, where it can be told.
            printf 'never %s(%s, %s)\n' "$(tr '\0' ' ' < "/proc/$process/cmdline")" \
                "$(sed -n 's/^State:[[:space:]]*//p' "/proc/$process/status")" "$(cat "/proc/$process/wchan" 2> /dev/null)" > "$file"
            return 0
        fi
    done
    gone=$(now)
    limit=$((SECONDS + 3))
    for path in "${paths[@]}"; do
        while [[ -e $path ]] && ((SECONDS < limit)); do sleep 0.04; done
        if [[ -e $path ]]; then
            echo "$gone -" > "$file"
            return 0
        fi
    done
    echo "$gone $(now)" > "$file"
}

if [[ $1 == --departure ]]; then
    departure "${@:2}"
    exit 0
fi

script=$(realpath -- "${BASH_SOURCE[0]}")
readonly script
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
mkdir "$work/departures"

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
# How often the job has begun to train. What is in the log of steps then was there before.
beginnings() { { cat "$run/logs/rank-0.log" 2> /dev/null || true; } | grep -c ' start: ' || true; }

# await_progress BEGINNINGS: waits until the job has begun to train more often than so, and logs steps.
await_progress() {
    local before=$1 first="" step deadline=$((SECONDS + patience))
    while (($(beginnings) <= before)); do
        kill -0 "$launcher" 2> /dev/null || fail "the launcher has ended ($(tail -n 1 "$work/messages"))"
        ((SECONDS < deadline)) || fail "no training again in $patience s"
        sleep 0.02
    done
    first=$(last_step)
    while :; do
        step=$(last_step)
        if [[ -n $step && $step != "$first" ]]; then return 0; fi
        kill -0 "$launcher" 2> /dev/null || fail "the launcher has ended ($(tail -n 1 "$work/messages"))"
        ((SECONDS < deadline)) || fail "no step in $patience s"
        sleep 0.02
    done
}

# await_departures FAULT: sets `gone` and `cleared`, milliseconds since `began`, when all hosts of `watched` have told.
await_departures() {
    local host file deadline=$((SECONDS + patience + 5)) at files
    gone=0 cleared=0
    for host in "${watched[@]}"; do
        # Its watcher had no power either.
        if [[ $host == "$dead" ]]; then continue; fi
        file=$work/departures/$1-$host
        while [[ ! -s $file ]]; do
            ((SECONDS < deadline)) || fail "$host doesn't tell when fault $1's job was gone"
            sleep 0.05
        done
        read -r at files < "$file"
        if [[ $at == never ]]; then fail "fault $1: a minute later $host still has: $files"; fi
        if ((at - began > gone)); then gone=$((at - began)); fi
        if [[ $files == - ]]; then cleared=-; elif [[ $cleared != - ]] && ((files - began > cleared)); then cleared=$((files - began)); fi
    done
}

# figures KIND COLUMN: median, 95th percentile and worst of a column of WORK/times, of all kinds where KIND is "all".
figures() {
    awk -v kind="$1" -v column="$2" '(kind == "all" || $1 == kind) && $column != "-" { print $column }' "$work/times" | sort -n \
        | awk '{ value[NR] = $1 } END { if (NR) print value[int((NR + 1) / 2)], value[int((NR * 95 + 99) / 100)], value[NR] }'
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
: > "$work/times"
cut="" dead=""
start
await_progress 0
for ((fault = 1; fault <= faults; fault++)); do
    # Hosts that were away come back, for the next start.
    if [[ -n $cut ]]; then lab-link up "$cut" && cut=""; fi
    if [[ -n $dead ]]; then lab-host start "$dead" && dead=""; fi
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    kinds=(rank mpirun helper link host launcher)
    kind=${kinds[RANDOM % 6]}
    # A host that came back takes part from the next start on. All others but the first are reached by a helper.
    others=()
    for host in "${hosts[@]:1}"; do if [[ -n $(processes "$host" orted) ]]; then others+=("$host"); fi; done
    ((${#others[@]})) || fail "fault $fault: no host but the first takes part"
    other=${others[RANDOM % ${#others[@]}]}
    if [[ $kind == rank ]]; then
        partakers=("${hosts[0]}" "${others[@]}")
        victims_host=${partakers[RANDOM % ${#partakers[@]}]}
        mapfile -t victims < <(ranks "$victims_host")
        ((${#victims[@]})) || fail "fault $fault: no rank on $victims_host"
    fi
    before=$(beginnings)
    # The launcher outlives its job, unless it is what is killed.
    spared=$launcher
    if [[ $kind == launcher ]]; then spared=-; fi
    watched=("${hosts[0]}" "${others[@]}")
    "$script" --departure "$work" "$fault" "$spared" &
    for host in "${others[@]}"; do
        on "$host" "nohup setsid '$script' --departure '$work' $fault - > /dev/null 2>&1 < /dev/null &"
    done
    for host in "${watched[@]}"; do until [[ -e $work/departures/$fault-$host ]]; do sleep 0.02; done; done
    began=$(now)
    case $kind in
        rank) on "$victims_host" "kill -9 ${victims[RANDOM % ${#victims[@]}]}" ;;
        mpirun) pkill -KILL -x mpirun ;;
        helper) on "$other" "pkill -KILL -x orted" ;;
        link)
            cut=$other
            lab-link down "$other"
            ;;
        host)
            dead=$other
            lab-host kill "$other"
            ;;
        launcher)
            kill -KILL "$launcher"
            { wait "$launcher"; } 2> /dev/null || true
            start
            ;;
    esac
    count[$kind]=$((${count[$kind]:-0} + 1))
    echo "--- fault $fault: $kind" >> "$work/messages"
    await_progress "$before"
    again=$(($(now) - began))
    await_departures "$fault"
    echo "$kind $gone $cleared $again" >> "$work/times"
    echo "--- fault $fault: $kind, job gone after $gone ms, training again after $again ms, at step $(last_step)" >> "$work/messages"
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

printf '%-9s %6s  %-24s  %-24s %-6s  %-24s\n' "" "" "processes gone (ms)" "files gone (ms)" "" "training again (ms)" \
    fault number "  median    95 %   worst" "  median    95 %   worst" "  left" "  median    95 %   worst"
told=""
for kind in "${kinds[@]}" all; do
    number=$faults
    if [[ $kind != all ]]; then number=${count[$kind]:-0} told+="${told:+, }${count[$kind]:-0} $kind"; fi
    if ((number == 0)); then continue; fi
    # What waits for the next job isn't among the times.
    left=$(awk -v kind="$kind" '(kind == "all" || $1 == kind) && $3 == "-"' "$work/times" | wc -l)
    # shellcheck disable=SC2046 # three numbers each, or none
    printf '%-9s %6d  %-24s  %-24s %6d  %-24s\n' "$kind" "$number" "$(printf '%8s' $(figures "$kind" 2))" \
        "$(printf '%8s' $(figures "$kind" 3))" "$left" "$(printf '%8s' $(figures "$kind" 4))"
done
late=$(awk '$2 > 5000' "$work/times" | wc -l) slow=$(awk '$4 > 10000' "$work/times" | wc -l)
read -r typical _ worst <<< "$(figures all 4)"
say "$faults faults on ${#hosts[@]} hosts ($told), $(restarts) restarts, $starts starts, $((10#${step#step-})) steps;" \
    "job gone in 5 s but for $late, training again in 10 s but for $slow, after $typical ms in the median, $worst ms at most: equal"
