#!/usr/bin/env bash
# Makes several hosts of one machine, runs a command on the first of them, and takes them down again.
#
#   launch/lab.sh --hosts N [--rate RATE] [--user] [--] COMMAND [arguments]
#   launch/lab.sh --hosts 2 -- mpirun --hostfile {hostfile} -np 2 .build/release/dtrain
#   launch/lab.sh --hosts 3 --rate 1gbit -- bash -c 'ssh -F "$DTRAIN_LAB_SSH_CONFIG" lab2 hostname'
#
# The hosts are called lab1 to labN. Each has a network interface of its own (addresses 10.77.0.1 to 10.77.0.N, a bridge
# between them and no way out), a host name, processes, /dev/shm, /run and a scratch directory that no other host sees, and a
# real sshd. All other files are shared. Each is pinned to its share of the cores where there are enough of them, and has as
# many slots in the hostfile as it has cores. Open MPI is told not to pin: on every host it would take core 0.
#
# --hosts: 1 to 64. --rate: the speed of every host's link in both directions, such as 100mbit, 1gbit or 10gbit; without it
# the link is as fast as the machine. --user: COMMAND, and what ssh starts, run as an ordinary user that only the lab has,
# called lab. A word {hostfile} of COMMAND becomes the path of the hostfile. COMMAND's environment has
#   DTRAIN_LAB_HOSTFILE     the hosts with their slots, for mpirun --hostfile
#   DTRAIN_LAB_SSH_CONFIG   for ssh -F: the lab's own key and known hosts; mpirun uses it by itself
#   TMPDIR                  the host's scratch directory, at the same path on every host; it is also what an ssh session has
# Its input is this script's, unless that is a terminal. On its PATH are two programs that do to a host what happens to hosts;
# they return when it is done, and end with 64 where they are asked for what can't be:
#   lab-link down|up HOST   cuts the host's cable: nothing gets in or out, and nobody is told; plugs it in again
#   lab-host kill HOST      cuts the cable and kills all processes of the host at once, as a power cut does (not of lab1, where
#                           COMMAND runs)
#   lab-host start HOST     starts it again, with an empty scratch directory; returns when its sshd answers
#
# SIGTERM, SIGINT, SIGHUP and SIGUSR1 are handed on to COMMAND; ten seconds after the first three everything is killed. However
# this script ends, by kill -9 too, all processes of the lab end, and with them its networks, mounts and keys. Only when the
# processes of the lab are killed as well may an empty directory stay, which the next lab removes. Labs can run side by side.
#
# Ends with what COMMAND ends with (128 + n when signal n killed it), with 64 for a wrong command line, 66 without COMMAND, 69
# where a program is missing or the lab can't be made, and 77 where this user or kernel can have no hosts.
#
# Environment: TMPDIR (where the lab's directory is made; /tmp unless set).
set -euo pipefail
unset CDPATH

readonly usage="usage: launch/lab.sh --hosts N [--rate RATE] [--user] [--] COMMAND [arguments]"
readonly network=10.77.0 most_hosts=64 grace_seconds=10
# The lab's own ordinary user, who is nobody's outside.
readonly user_number=64999

say() { printf 'lab.sh: %s\n' "$*" >&2; }
fail() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# This script plays three parts: what the user calls (`main`), the first process of the lab, which has the bridge (`run_lab`),
# and the first process of every host (`run_host`). Everything that the lab consists of belongs to namespaces, which end with
# their last process, and all processes end with the first one of their namespace. So nothing needs to be undone.

# Where a command of ours failed, which has said why: no code that could be COMMAND's.
# shellcheck disable=SC2317 # the traps below call it
not_made() { exit 69; }

# --- A host -----------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2317 # called by name below
end_command() { if [[ -n ${command_process:-} ]]; then kill -s "$1" "$command_process" 2> /dev/null || true; fi; }

# run_host NUMBER COMMAND…: the first process of a host. It says on descriptor 3 that its network may be plugged in, and reads
# from descriptor 4 that it is; then it starts sshd. The first host runs COMMAND and ends with it, or when descriptor 5 does,
# from which it reads signals for it.
run_host() {
    local number=$1 code=0 signal
    shift
    trap not_made EXIT
    hostname "lab$number"
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t tmpfs -o mode=0755 tmpfs /run
    mount -t tmpfs -o mode=1777 tmpfs "$lab/scratch"
    # What sshd wants to be empty, and nobody's to write.
    mkdir /run/sshd /run/lock
    export TMPDIR=$lab/scratch
    ip link set lo up
    echo ready >&3
    exec 3>&-
    read -r _ <&4
    exec 4<&-
    "$sshd" -D -e -f "$lab/sshd_config" -h "$lab/key-$number" 2>> "$lab/log-$number" < /dev/null 5<&- 6<&- &
    if ((number > 1)); then
        # Bash would tell how its sshd ended.
        exec 5<&- 2> /dev/null
        # Its sshd may be killed by a test; the host goes on until the lab ends. What loses its parent becomes this shell's.
        while :; do wait || true; sleep 1000 & done
    fi
    await_hosts
    trap 'exit 137' TERM
    unset DTRAIN_LAB_SETTINGS DTRAIN_LAB_CORES
    export PATH=$lab/bin:$PATH
    if ((as_user)); then
        # Its home is the scratch directory; whoever starts a program as another user says so to what asks the environment.
        export HOME=$TMPDIR USER=lab LOGNAME=lab
        set -- setpriv --reuid "$user_number" --regid "$user_number" --clear-groups "$@"
    fi
    # A process group of its own, in which no signal is ignored that wasn't.
    set -m
    "$@" <&6 6<&- 5<&- &
    command_process=$!
    set +m
    # Bash would tell how it ended.
    exec 6<&- 2> /dev/null
    {
        while read -r signal; do end_command "$signal"; done
        kill -TERM 1
    } <&5 &
    exec 5<&-
    trap - EXIT
    wait "$command_process" || code=$?
    exit "$code"
}

# Waits until the sshd of every host answers.
await_hosts() {
    local number attempt
    for ((number = 1; number <= hosts; number++)); do
        for ((attempt = 1; ; attempt++)); do
            if { read -r -t 5 < "/dev/tcp/$network.$number/22"; } 2> /dev/null; then break; fi
            if ((attempt == 100)); then
                tail -n 5 "$lab/log-$number" >&2 || true
                fail 69 "the sshd of lab$number doesn't answer (its last words above)"
            fi
            sleep 0.1
        done
    done
}

# --- The lab ----------------------------------------------------------------------------------------------------------

# Keys, the configuration of ssh and sshd, names and slots, in the lab's own file system.
write_files() {
    local number path
    mkdir "$lab/scratch"
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$lab/key"
    for ((number = 1; number <= hosts; number++)); do
        ssh-keygen -q -t ed25519 -N '' -C "lab$number" -f "$lab/key-$number"
        printf 'lab%d,%s.%d %s\n' "$number" "$network" "$number" "$(cut -d ' ' -f 1,2 "$lab/key-$number.pub")"
    done > "$lab/known_hosts"
    {
        echo "127.0.0.1 localhost"
        for ((number = 1; number <= hosts; number++)); do echo "$network.$number lab$number"; done
    } > "$lab/names"
    for ((number = 1; number <= hosts; number++)); do echo "lab$number slots=$slots"; done > "$lab/hostfile"
    cat > "$lab/ssh_config" << END
Host *
    IdentityFile $lab/key
    IdentitiesOnly yes
    UserKnownHostsFile $lab/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 10
    LogLevel ERROR
END
    # Only paths without quotes can be said to sshd.
    path=$lab/bin:${PATH//[\"\\$'\n']/}
    cat > "$lab/sshd_config" << END
Port 22
PidFile none
AuthorizedKeysFile $lab/key.pub
# The directories above it may be everybody's to write, as /tmp is.
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 200
MaxSessions 200
SetEnv "PATH=$path" "TMPDIR=$lab/scratch"
END
    # Without PAM, sshd turns away an account whose password is locked, as root's often is.
    (umask 077 && sed 's/^root:[^:]*:/root:*:/' /etc/shadow > "$lab/shadow")
    if ((as_user)); then
        echo "lab:*:19000:0:99999:7:::" >> "$lab/shadow"
        { cat /etc/passwd && echo "lab:x:$user_number:$user_number:a user of the lab:$lab/scratch:/bin/bash"; } > "$lab/passwd"
        { cat /etc/group && echo "lab:x:$user_number:"; } > "$lab/group"
        # ssh takes no key that others can read. Root can read this one.
        chown "$user_number:$user_number" "$lab/key"
    fi
    write_programs
}

# lab-link and lab-host: this script again, in another part.
write_programs() {
    local name
    mkdir "$lab/bin"
    mkfifo "$lab/requests"
    for name in link host; do
        printf '#!/bin/bash\nexec %q %q --ask %q %q "$@"\n' "$BASH" "$script" "$lab" "$name" > "$lab/bin/lab-$name"
        chmod +x "$lab/bin/lab-$name"
    done
    if ((as_user)); then
        mkdir -m 0700 "$lab/answers"
        chown "$user_number:$user_number" "$lab/requests" "$lab/answers"
    else
        mkdir -m 0700 "$lab/answers"
    fi
}

# Plugs the network of the process $2 into the bridge, as host $1.
plug_in() {
    local number=$1 process=$2
    local inside=(nsenter --target "$process" --net)
    # Always the same address: other hosts remember for seconds which one a host had.
    ip link add name "port$number" type veth peer name eth0 address "$(printf '02:00:0a:4d:00:%02x' "$number")" netns "$process"
    ip link set "port$number" master bridge up
    "${inside[@]}" ip address add "$network.$number/24" dev eth0
    "${inside[@]}" ip link set eth0 up
    if [[ -n $rate ]]; then
        tc qdisc add dev "port$number" root tbf rate "${rate}bit" burst "$burst" latency 50ms
        "${inside[@]}" tc qdisc add dev eth0 root tbf rate "${rate}bit" burst "$burst" latency 50ms
    fi
}

# The process that each host hangs on, in the lab's first process and in what serves requests.
host_process=()

# start_host NUMBER [COMMAND…]: starts a host and plugs it in. The first one gets COMMAND, and descriptors 5 and 6.
start_host() {
    local number=$1 attempt said heard pinned=() channel="$lab/said-$BASHPID"
    if ((pinning)); then pinned=(taskset -c "${host_cores[number - 1]}"); fi
    mkfifo "$channel" "$channel-heard"
    exec {said}<> "$channel" {heard}<> "$channel-heard"
    rm "$channel" "$channel-heard"
    # Without a process group of its own, SIGINT would be ignored in it.
    set -m
    if ((number == 1)); then
        "${pinned[@]}" unshare "${namespaces[@]}" "$BASH" "$script" --host "$@" \
            3>&"$said" 4<&"$heard" {said}>&- {heard}>&- &
    else
        "${pinned[@]}" unshare "${namespaces[@]}" "$BASH" "$script" --host "$number" \
            3>&"$said" 4<&"$heard" 5<&- 6<&- {said}>&- {heard}>&- < /dev/null &
    fi
    set +m
    host_process[number]=$!
    for ((attempt = 1; ; attempt++)); do
        if read -r -t 0.2 _ <&"$said"; then break; fi
        if ((attempt == 50)) || ! kill -0 "$!" 2> /dev/null; then fail 69 "lab$number can't be started"; fi
    done
    plug_in "$number" "$!"
    echo plugged >&"$heard"
    exec {said}>&- {heard}>&-
}

# kill_host NUMBER: its cable first, so that nobody is told by the kernel that closes its connections.
kill_host() {
    local number=$1 process=${host_process[$1]} first attempt
    ip link set "port$number" down
    first=$(ps -o pid= --ppid "$process" | tr -d ' ')
    kill -KILL "$process"
    host_process[number]=""
    # Connections that still have something to send would keep the network for minutes.
    ip link delete "port$number"
    for ((attempt = 0; attempt < 100; attempt++)); do
        # The host's first process goes last.
        if [[ -z $first || ! -d /proc/$first ]]; then return 0; fi
        sleep 0.05
    done
    return 1
}

# Does what lab-link and lab-host ask for. A request is a line: what, HOST and where the answer goes.
serve() {
    local requests what host answer number reply to
    exec {requests}<> "$lab/requests"
    while read -r what host answer <&"$requests"; do
        reply=ok
        number=${host#lab}
        if [[ ! $host =~ ^lab[1-9][0-9]?$ ]] || ((number > hosts)); then
            reply="no host \"$host\" here; there are lab1 to lab$hosts"
        elif [[ $what != start && -z ${host_process[number]} ]]; then
            reply="$host isn't running; start it with: lab-host start $host"
        else
            case $what in
                down | up) ip link set "port$number" "$what" || reply="$host: its link can't be set $what" ;;
                kill)
                    if ((number == 1)); then
                        reply="lab1 runs the command of the lab, which would end"
                    else
                        kill_host "$number" || reply="$host: its processes don't end"
                    fi
                    ;;
                start)
                    if [[ -n ${host_process[number]} ]]; then reply="$host is running"; else start_host "$number"; fi
                    ;;
            esac
        fi
        # Whoever asked may be gone, and the name be anything.
        if [[ $answer == "$lab/answers/"* && ${answer##*/} =~ ^[A-Za-z0-9.]+$ && -p $answer ]]; then
            exec {to}<> "$answer"
            echo "$reply" >&"$to"
            exec {to}>&-
        fi
    done
}

# ask LAB link|host VERB HOST: what lab-link and lab-host do.
ask() {
    local lab=$1 kind=$2 verb=${3:-} host=${4:-} answer channel reply attempt
    case $kind-$verb in
        link-down | link-up | host-kill | host-start) ;;
        link-*) fail 64 "usage: lab-link down|up HOST" ;;
        *) fail 64 "usage: lab-host kill|start HOST" ;;
    esac
    [[ $host =~ ^[A-Za-z0-9]+$ ]] || fail 64 "$kind $verb: the host is missing; expected a name such as lab2"
    answer=$lab/answers/$BASHPID.$(hostname).$RANDOM
    mkfifo -- "$answer"
    exec {channel}<> "$answer"
    echo "$verb $host $answer" > "$lab/requests"
    read -r -t 30 -u "$channel" reply || reply="no answer in 30 s"
    rm -f -- "$answer"
    [[ $reply == ok ]] || fail 64 "$reply"
    if [[ $verb != start ]]; then return 0; fi
    for ((attempt = 0; attempt < 100; attempt++)); do
        if { read -r -t 5 < "/dev/tcp/$host/22"; } 2> /dev/null; then return 0; fi
        sleep 0.1
    done
    fail 69 "the sshd of $host doesn't answer"
}

# run_lab COMMAND…: the first process of the lab, in a network without hosts yet. Descriptor 5 ends with the script that the
# user called, 6 is COMMAND's input.
run_lab() {
    local number code=0 first="" server
    trap not_made EXIT
    mount -t tmpfs -o mode=0755 tmpfs "$lab"
    write_files
    mount --bind "$lab/names" /etc/hosts
    # A session's shell reads what its user has written for sessions. That may take locks, which a host that is killed leaves
    # behind outside of the lab: the next session would wait for them.
    local rc
    for rc in ~root/.bashrc /etc/bash.bashrc; do
        if [[ -f $rc ]]; then mount --bind /dev/null "$rc"; fi
    done
    mount --bind "$lab/shadow" /etc/shadow
    if ((as_user)); then
        mount --bind "$lab/passwd" /etc/passwd
        mount --bind "$lab/group" /etc/group
    fi
    ip link set lo up
    ip link add name bridge type bridge
    ip link set bridge up
    for ((number = hosts; number >= 1; number--)); do start_host "$number" "$@"; done
    first=${host_process[1]}
    exec 5<&- 6<&-
    trap - EXIT
    # Bash would tell of every host that is killed.
    serve 2> /dev/null &
    server=$!
    { wait "$first"; } 2> /dev/null || code=$?
    kill "$server" 2> /dev/null || true
    # Where nobody is left who would do it.
    umount -l "$lab" 2> /dev/null || true
    rmdir -- "$lab" 2> /dev/null || true
    exit "$code"
}

readonly namespaces=(--mount --uts --net --ipc --pid --fork --kill-child --mount-proc)
script=$(realpath -- "${BASH_SOURCE[0]}")
readonly script

# What the first process of a namespace is started with; nobody else can be that.
if [[ ${1:-} == --ask ]]; then
    shift
    ask "$@"
    exit 0
fi
if (($$ == 1)) && [[ ${1:-} == --lab || ${1:-} == --host ]]; then
    IFS=' ' read -r lab hosts slots pinning as_user sshd rate burst <<< "$DTRAIN_LAB_SETTINGS"
    IFS=' ' read -ra host_cores <<< "$DTRAIN_LAB_CORES"
    part=$1
    shift
    if [[ $part == --lab ]]; then run_lab "$@"; else run_host "$@"; fi
fi

# --- The command line -------------------------------------------------------------------------------------------------

hosts='' rate='' burst='' as_user=0
while (($# > 0)); do
    case $1 in
        --hosts)
            if [[ ! ${2:-} =~ ^[0-9]{1,3}$ ]] || ((10#$2 < 1 || 10#$2 > most_hosts)); then
                fail 64 "--hosts wants a number from 1 to $most_hosts, found \"${2:-}\"; $usage"
            fi
            hosts=$((10#$2))
            shift 2
            ;;
        --rate)
            if [[ ! ${2:-} =~ ^([1-9][0-9]{0,5})(kbit|mbit|gbit)$ ]]; then
                fail 64 "--rate wants a whole number with kbit, mbit or gbit, such as 1gbit, found \"${2:-}\"; $usage"
            fi
            case ${BASH_REMATCH[2]} in
                kbit) rate=${BASH_REMATCH[1]}000 ;;
                mbit) rate=${BASH_REMATCH[1]}000000 ;;
                gbit) rate=${BASH_REMATCH[1]}000000000 ;;
            esac
            # Two milliseconds of it: a kernel that looks every four milliseconds (or one) would else lose some of the rate.
            burst=$((rate / 8 / 250))
            if ((burst < 32768)); then burst=32768; fi
            shift 2
            ;;
        --user)
            as_user=1
            shift
            ;;
        -h | --help)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --)
            shift
            break
            ;;
        -*) fail 64 "unknown option \"$1\"; $usage" ;;
        *) break ;;
    esac
done
[[ -n $hosts ]] || fail 64 "--hosts is missing; $usage"
(($# > 0)) || fail 64 "the command is missing; $usage"

# --- What there must be -----------------------------------------------------------------------------------------------

((EUID == 0)) || fail 77 "hosts of one's own can be made by root only"
# Where distributions keep these, an ordinary PATH doesn't lead.
export PATH=$PATH:/usr/sbin:/sbin
missing=()
sshd=$(command -v sshd) || missing+=(openssh-server)
if ! command -v ssh > /dev/null || ! command -v ssh-keygen > /dev/null; then missing+=(openssh-client); fi
if ! command -v ip > /dev/null || { [[ -n $rate ]] && ! command -v tc > /dev/null; }; then missing+=(iproute2); fi
if ! command -v unshare > /dev/null || ! command -v setpriv > /dev/null || ! command -v taskset > /dev/null; then missing+=(util-linux); fi
if ((${#missing[@]} > 0)); then
    fail 69 "missing: ${missing[*]} (the names of Debian's packages); install with: apt-get install -y" \
        "--no-install-recommends ${missing[*]}"
fi
if ! reason=$(unshare "${namespaces[@]}" sh -c \
    'ip link add name bridge type bridge && ip link add name a type veth peer name b && mount -t tmpfs tmpfs /run' 2>&1); then
    fail 77 "this machine allows no hosts of one's own: ${reason//$'\n'/; }"
fi

command -v -- "$1" > /dev/null || fail 66 "$1: no such program; $usage"

# --- Cores ------------------------------------------------------------------------------------------------------------

# The cores that this process may use, in shares of the same size.
cores=()
IFS=, read -ra ranges <<< "$(taskset -cp $$ | sed 's/.*: *//')"
for range in "${ranges[@]}"; do
    for ((core = ${range%-*}; core <= ${range#*-}; core++)); do cores+=("$core"); done
done
slots=$((${#cores[@]} / hosts)) pinning=1
if ((slots == 0)); then slots=1 pinning=0; fi
host_cores=()
if ((pinning)); then
    for ((number = 0; number < hosts; number++)); do
        share=("${cores[@]:number * slots:slots}")
        host_cores+=("$(IFS=, && echo "${share[*]}")")
    done
fi

# --- Running ----------------------------------------------------------------------------------------------------------

base=$(cd -P -- "${TMPDIR:-/tmp}" 2> /dev/null && pwd -P) || fail 69 "${TMPDIR:-/tmp}: no such directory; set TMPDIR to one"
[[ $base =~ ^[A-Za-z0-9/._-]+$ ]] || fail 69 "$base: no path for ssh's configuration; set TMPDIR to another directory"
# Empty directories of labs whose script is gone: rmdir removes no others.
for directory in "${base%/}"/dtrain-lab-*; do
    [[ ${directory##*/} =~ ^dtrain-lab-([0-9]+)-[A-Za-z0-9]{6}$ && ! -d /proc/${BASH_REMATCH[1]} ]] || continue
    # Where the script was killed a moment ago, its lab is just ending.
    if grep -qzF -- "DTRAIN_LAB_SETTINGS=$directory " /proc/[0-9]*/environ 2> /dev/null; then continue; fi
    rmdir -- "$directory" 2> /dev/null || true
done

signals=() asked=0
for signal in TERM INT HUP; do
    # shellcheck disable=SC2064 # the signal's name of now
    trap "signals+=($signal); asked=1" "$signal"
done
trap 'signals+=(USR1)' USR1

lab=$(mktemp -d -- "${base%/}/dtrain-lab-$$-XXXXXX") || fail 69 "$base: no directory can be made there; set TMPDIR to another"
trap 'rmdir -- "$lab" 2> /dev/null || true' EXIT

command=()
for argument in "$@"; do
    if [[ $argument == "{hostfile}" ]]; then argument=$lab/hostfile; fi
    command+=("$argument")
done
variables=(
    "DTRAIN_LAB_SETTINGS=$lab $hosts $slots $pinning $as_user $sshd $rate $burst" "DTRAIN_LAB_CORES=${host_cores[*]}"
    "DTRAIN_LAB_HOSTFILE=$lab/hostfile" "DTRAIN_LAB_SSH_CONFIG=$lab/ssh_config"
    "OMPI_MCA_plm_rsh_agent=ssh -F $lab/ssh_config"
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_hwloc_base_binding_policy=none
)
# Hosts that share cores: ranks that wait must leave them to those that work.
if ((!pinning)); then variables+=(OMPI_MCA_mpi_yield_when_idle=1); fi

# The lab reads from a pipe whose other end this shell alone has: it ends whenever this shell does.
exec {both}<> <(:)
exec {reader}< "/proc/self/fd/$both"
exec {life}> "/proc/self/fd/$both" {both}>&-
if [[ -t 0 ]]; then exec {input}< /dev/null; else exec {input}<&0; fi
# A process group of its own: a terminal's Ctrl-C reaches COMMAND through this shell alone.
set -m
env "${variables[@]}" unshare "${namespaces[@]}" "$BASH" "$script" --lab "${command[@]}" \
    5<&"$reader" 6<&"$input" {life}>&- {reader}<&- {input}<&- < /dev/null &
job=$!
set +m
# Bash would tell how it ended.
exec {reader}<&- {input}<&- 2> /dev/null

deadline=''
while :; do
    code=0
    # With a deadline to watch, in small steps; a trapped signal ends `wait` too.
    if ((asked)); then sleep 0.1 || true; else { wait "$job"; } 2> /dev/null || code=$?; fi
    for signal in ${signals[@]+"${signals[@]}"}; do echo "$signal" >&"$life" || true; done 2> /dev/null
    signals=()
    if ! kill -0 "$job" 2> /dev/null; then
        code=0
        { wait "$job"; } 2> /dev/null || code=$?
        break
    fi
    if ((asked)); then
        deadline=${deadline:-$((SECONDS + grace_seconds))}
        if ((SECONDS >= deadline)); then kill -KILL "$job"; fi
    fi
done
exit "$code"
