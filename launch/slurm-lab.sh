#!/usr/bin/env bash
# Makes a small cluster with Slurm of one machine, runs a command on its first host, and takes it down again.
#
#   launch/slurm-lab.sh [--nodes N] [--] COMMAND [arguments]
#   launch/slurm-lab.sh -- srun --nodes=2 --ntasks=2 --mpi=pmix .build/release/dtrain
#   launch/slurm-lab.sh --nodes 3 -- bash -c 'sinfo; sbatch --wait launch/slurm.sbatch'
#
# --nodes: 1 to 16, 2 unless given. The nodes are hosts of launch/lab.sh, lab1 to labN, each with a slurmd and a munged; lab1
# has slurmctld too. A node has two processors as far as Slurm knows. Of the partitions `main` (what jobs get unless they say
# otherwise) and `urgent`, a job of `urgent` preempts those of `main`: they get SIGTERM, and queue again 10 seconds later. A node
# that doesn't answer is taken for lost after 10 seconds, and its jobs queue again.
#
# COMMAND's environment has, besides that of launch/lab.sh,
#   SLURM_CONF          the cluster's configuration
#   DTRAIN_LAB_SHARED   a directory that all hosts see and that ends with the lab; daemons write their logs there
#
# What is missing of Debian's slurm-wlm, slurm-wlm-basic-plugins, munge and libpmix2 is installed, as root and where no systemd
# would start daemons of it. Nothing outside the lab is read or written then: no /etc/slurm, no key of munge. However it ends,
# all of it is gone, as of launch/lab.sh.
#
# Ends with what COMMAND ends with, with 64 for a wrong command line, with 69 where the cluster can't be started, and with
# 77 where this user or machine can have none.
set -euo pipefail
unset CDPATH

readonly usage="usage: launch/slurm-lab.sh [--nodes N] [--] COMMAND [arguments]"
readonly most_nodes=16 patience_seconds=30
script=$(realpath -- "${BASH_SOURCE[0]}")
readonly script

say() { printf 'slurm-lab.sh: %s\n' "$*" >&2; }
fail() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# --- Inside the lab, on its first host --------------------------------------------------------------------------------

write_configuration() {
    local hosts="lab[1-$nodes]"
    (umask 077 && head -c 1024 /dev/urandom > "$shared/munge.key")
    cat > "$SLURM_CONF" << END
ClusterName=lab
SlurmctldHost=lab1
SlurmUser=root
AuthType=auth/munge
# A job that was queued again waits as long before it starts.
AuthInfo=cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# What belongs to one host lies where only that host sees it.
StateSaveLocation=/run/slurmctld
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
TmpFS=$TMPDIR
SlurmctldLogFile=$shared/slurmctld.log
SlurmdLogFile=$shared/slurmd-%h.log
SlurmdParameters=config_overrides
SlurmdTimeout=10
MessageTimeout=10
KillWait=10
ReturnToService=2
JobRequeue=1
SchedulerParameters=bf_interval=1,sched_interval=1,requeue_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$hosts CPUs=2
PartitionName=main Nodes=$hosts Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=$hosts MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
END
    # What starts the daemons of a node; the tests use it for one that was lost.
    cat > "$shared/start-node" << END
#!/bin/sh
export SLURM_CONF=$SLURM_CONF PATH=$PATH
mkdir -p /run/munge /run/slurmd
if [ ! -S /run/munge/munge.socket.2 ]; then
    munged --force --key-file=$shared/munge.key --pid-file=/run/munge.pid --seed-file=/run/munge.seed \
        --log-file=$shared/munged-\$(hostname).log 2> /dev/null || exit 1
fi
exec slurmd
END
    chmod +x "$shared/start-node"
}

idle_nodes() { sinfo --noheader --partition=main --states=idle --format=%D 2> /dev/null || true; }

run_inside() {
    local number attempt
    shared=$(dirname -- "$DTRAIN_LAB_HOSTFILE")/shared
    mkdir "$shared"
    export SLURM_CONF=$shared/slurm.conf DTRAIN_LAB_SHARED=$shared
    # A node may have fewer cores than the processors that Slurm counts there.
    export OMPI_MCA_mpi_yield_when_idle=1
    write_configuration
    mkdir -p /run/slurmctld
    for ((number = 1; number <= nodes; number++)); do
        if ! ssh -F "$DTRAIN_LAB_SSH_CONFIG" "lab$number" "$shared/start-node" < /dev/null; then
            tail -n 5 "$shared"/*.log >&2 || true
            fail 69 "lab$number can't start munged and slurmd (the logs' last words above)"
        fi
        if ((number == 1)) && ! slurmctld; then fail 69 "slurmctld can't be started"; fi
    done
    for ((attempt = 0; ; attempt++)); do
        if [[ $(idle_nodes) == "$nodes" ]]; then break; fi
        if ((attempt == patience_seconds * 10)); then
            sinfo >&2 || true
            tail -n 5 "$shared"/*.log >&2 || true
            fail 69 "the nodes don't answer within $patience_seconds s (their state and the logs' last words above)"
        fi
        sleep 0.1
    done
    exec "$@"
}

if [[ ${1:-} == --inside ]]; then
    nodes=$2
    shift 2
    run_inside "$@"
fi

# --- The command line -------------------------------------------------------------------------------------------------

nodes=2
while (($# > 0)); do
    case $1 in
        --nodes)
            if [[ ! ${2:-} =~ ^[0-9]{1,2}$ ]] || ((10#$2 < 1 || 10#$2 > most_nodes)); then
                fail 64 "--nodes wants a number from 1 to $most_nodes, found \"${2:-}\"; $usage"
            fi
            nodes=$((10#$2))
            shift 2
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
(($# > 0)) || fail 64 "the command is missing; $usage"

# --- What there must be -----------------------------------------------------------------------------------------------

((EUID == 0)) || fail 77 "a cluster of one's own can be made by root only"
export PATH=$PATH:/usr/sbin:/sbin

find_missing() {
    missing=()
    if ! command -v slurmctld > /dev/null || ! command -v slurmd > /dev/null || ! command -v srun > /dev/null; then
        missing+=(slurm-wlm)
    fi
    if ! command -v munged > /dev/null; then missing+=(munge); fi
    # Plugins are no programs: srun itself says whether it has PMIx, and wants a configuration to do so.
    if command -v srun > /dev/null; then
        local file list
        file=$(mktemp)
        printf 'ClusterName=lab\nSlurmctldHost=localhost\n' > "$file"
        list=$(SLURM_CONF=$file srun --mpi=list 2>&1) || true
        rm -f "$file"
        if [[ $list != *pmix* ]]; then missing+=(slurm-wlm-basic-plugins libpmix2); fi
    else
        missing+=(slurm-wlm-basic-plugins libpmix2)
    fi
}

missing=()
find_missing
if ((${#missing[@]} > 0)); then
    if ! command -v apt-get > /dev/null || [[ -d /run/systemd/system ]]; then
        fail 77 "missing: ${missing[*]} (the names of Debian's packages)"
    fi
    log=$(mktemp)
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! {
        apt-get install -y -q --no-install-recommends "${missing[@]}" ||
            { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; }
    } > "$log" 2>&1; then
        tail -n 10 "$log" >&2
        rm -f "$log"
        fail 77 "these packages can't be installed (apt-get's last words above): ${missing[*]}"
    fi
    rm -f "$log"
    find_missing
    if ((${#missing[@]} > 0)); then fail 77 "installed, but still not usable: ${missing[*]}"; fi
fi

exec "$(dirname -- "$script")/lab.sh" --hosts "$nodes" -- "$BASH" "$script" --inside "$nodes" "$@"
