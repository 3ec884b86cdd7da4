#!/usr/bin/env bash
# Runs the steps of Dockerfile where there is no engine, each stage in a root that debootstrap makes, and then a command in the image.
#
#   launch/dockerfile.sh [--image FOLDER] [--hosts N] [-- COMMAND [arguments]]
#   launch/dockerfile.sh -- dtrain --ranks 3
#   launch/dockerfile.sh --image image --hosts 2 -- /opt/dtrain/launch/local.sh --hostfile /etc/mpi/hostfile dtrain
#
# --image: the folder of the image; it is made if it isn't there and stays, so that a second call only runs a command. Without it the
# image is made in a temporary folder and removed (ten minutes, 3 GB; it is a whole build).
# --hosts: runs COMMAND in the image on the first of so many hosts of launch/lab.sh, with a sshd of the image on each, a key at
# ~/.ssh and the hosts in /etc/mpi/hostfile, one slot each, as the MPI operators of Kubernetes do. /dev/shm has 1 GB then, else 64 MB.
# COMMAND is what CMD says unless given.
#
# Of a Dockerfile it knows what ours has: FROM, RUN, COPY, WORKDIR, ENV, USER, CMD, and .dockerignore without exceptions. `swift:…` is
# Debian with this machine's toolchain. The network is this machine's, with its resolv.conf and certificates, and what git is told
# here to take instead of an address (url.….insteadOf), folders included.
#
# Ends with what COMMAND ends with, with 64 for a wrong command line, 65 for a step that it doesn't know, 69 where debootstrap or a
# step fails, 77 without debootstrap and for other users than root.
set -euo pipefail
unset CDPATH

readonly usage="usage: launch/dockerfile.sh [--image FOLDER] [--hosts N] [-- COMMAND [arguments]]"
script=$(realpath -- "${BASH_SOURCE[0]}")
repository=$(dirname -- "$(dirname -- "$script")")
readonly script repository
# What the official image has that a toolchain of Swift needs.
readonly toolchain_packages=binutils,gcc,libc6-dev,libstdc++-12-dev,libcurl4,libxml2,libedit2,libsqlite3-0,libncurses6,libpython3.11,tzdata,git,ca-certificates

say() { printf 'dockerfile.sh: %s\n' "$*" >&2; }
fail() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}
# shellcheck source=launch/roots.sh
. "$repository/launch/roots.sh"

# --- In the image -----------------------------------------------------------------------------------------------------

# Runs a command in the image with what the image says of itself.
in_image() {
    local environment directory user command
    # shellcheck source=/dev/null
    . "$work/settings"
    if (($# == 0)); then set -- "${command[@]}"; fi
    root=$work/image
    ROOT_USER=$user ROOT_DIRECTORY=$directory in_root "$root" /usr/bin/env -i "HOME=$(home)" "${environment[@]}" "$@"
}
home() { sed -n "s/^$user:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" "$root/etc/passwd"; }

# On a host of the lab: what an operator mounts into a pod. It belongs to this host's mounts and ends with them.
mount_as_operator() {
    local shared=${DTRAIN_LAB_HOSTFILE%/*} folder
    export ROOT_SHM=1g
    if mountpoint -q "$work/image/etc/mpi"; then return; fi
    for folder in home/mpiuser/.ssh etc/mpi; do
        mkdir -p -- "$work/image/$folder"
        mount -t tmpfs -o mode=0755 tmpfs "$work/image/$folder"
    done
    cp -- "$shared/mpi"/* "$work/image/home/mpiuser/.ssh"
    chown -R 1000:1000 "$work/image/home/mpiuser/.ssh"
    mv -- "$work/image/home/mpiuser/.ssh/hostfile" "$work/image/etc/mpi/hostfile"
    mount --bind /etc/hosts "$work/image/etc/hosts"
}

# On the first host of a lab: starts a sshd of the image on every host, and runs the command.
run_on_hosts() {
    local shared=${DTRAIN_LAB_HOSTFILE%/*} number attempt
    mkdir "$shared/mpi"
    ssh-keygen -q -t rsa -N '' -C mpi -f "$shared/mpi/id_rsa"
    mv -- "$shared/mpi/id_rsa.pub" "$shared/mpi/authorized_keys"
    for ((number = 1; number <= hosts; number++)); do echo "lab$number slots=1"; done > "$shared/mpi/hostfile"
    mount_as_operator
    for ((number = 1; number <= hosts; number++)); do
        ssh -n -F "$DTRAIN_LAB_SSH_CONFIG" "lab$number" "DTRAIN_LAB_HOSTFILE=$DTRAIN_LAB_HOSTFILE nohup setsid '$BASH' '$script' \
            --sshd '$work' > '$shared/image-sshd-$number' 2>&1 &"
    done
    for ((number = 1; number <= hosts; number++)); do
        for ((attempt = 1; ; attempt++)); do
            if { read -r -t 5 < "/dev/tcp/lab$number/2222"; } 2> /dev/null; then break; fi
            if ((attempt == 100)); then
                tail -n 5 "$shared/image-sshd-$number" >&2
                fail 69 "the image's sshd on lab$number doesn't answer (its last words above)"
            fi
            sleep 0.1
        done
    done
    in_image "$@"
}

# --- Steps ------------------------------------------------------------------------------------------------------------

declare -A stages=()
environment=()
root='' directory=/ user=root folders='' command=()

# from IMAGE [as NAME]: begins a stage.
from() {
    local suite
    case $1 in
        swift:*-* | debian:12*) ;;
        *) fail 65 "$place: FROM $1: expected debian:12… or swift:VERSION-bookworm" ;;
    esac
    if [[ $1 == swift:* ]]; then suite=${1##*-}; else suite=bookworm; fi
    root=$work/${3:-image}
    environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin) directory=/ user=root folders='' command=()
    if [[ -n ${3:-} ]]; then stages[$3]=$root; fi
    if [[ $1 == swift:* ]]; then
        folders=$(dirname -- "$(dirname -- "$(realpath -- "$(command -v swift)")")")
        environment=("${environment[0]}:$folders/bin")
        make_root "$suite" "$root" "$toolchain_packages"
        share_mirrors
    else
        make_root "$suite" "$root"
    fi
    echo "127.0.0.1 localhost" > "$root/etc/hosts"
    cp -L -- /etc/resolv.conf "$root/etc/resolv.conf"
    if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then
        install -D -- /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    fi
}

# What this machine's git takes instead of an address, the root's takes too. A machine without a way to other hosts has what the
# build fetches in a folder.
share_mirrors() {
    local key address folder
    command -v git > /dev/null || return 0
    while IFS=$'\n' read -r -d '' key address; do
        git config --file "$root/etc/gitconfig" --add "$key" "$address"
        folder=${key#url.}
        folder=${folder%.insteadof}
        folder=${folder#file://}
        if [[ $folder == /* && $folder != *:* && -d $folder && ":$folders:" != *":$folder:"* ]]; then folders+=:$folder; fi
    done < <(git -C / config --null --get-regexp '^url\..*\.insteadof$' || true)
}

in_stage() {
    ROOT_USER=$user ROOT_DIRECTORY=$directory ROOT_FOLDERS=$folders in_root "$root" /usr/bin/env -i "HOME=$(home)" \
        "${environment[@]}" DEBIAN_FRONTEND=noninteractive "$@"
}

# copy [--from=STAGE] SOURCE TARGET
copy() {
    local source=$repository target
    local -a left_out=()
    if [[ $1 == --from=* ]]; then
        source=${stages[${1#--from=}]:-}
        [[ -n $source ]] || fail 65 "$place: COPY $1: there is no such stage"
        shift
    else
        while IFS= read -r target; do left_out+=("--exclude=./$target"); done < <(grep -v '^#\|^$' "$repository/.dockerignore")
    fi
    (($# == 2)) || fail 65 "$place: COPY: expected a source and a target"
    if [[ $2 == /* ]]; then target=$root$2; else target=$root$directory/$2; fi
    mkdir -p -- "$target"
    tar --create --directory "$source/$1" --anchored --no-wildcards-match-slash "${left_out[@]}" . \
        | tar --extract --directory "$target" --no-same-owner
}

# step TEXT: one instruction.
step() {
    local word=${1%%[[:space:]]*} rest=${1#*[[:space:]]}
    local -a words
    read -ra words <<< "$rest"
    say "$1"
    case $word in
        FROM) from "${words[@]}" ;;
        RUN) in_stage /bin/sh -c "$rest" >&2 || fail 69 "$place: RUN ended with $?" ;;
        COPY) copy "${words[@]}" ;;
        WORKDIR)
            directory=$rest
            mkdir -p -- "$root$rest"
            ;;
        ENV) environment+=("${rest//\"/}") ;;
        USER) user=$rest ;;
        CMD)
            [[ $rest =~ ^\[.*\]$ ]] || fail 65 "$place: CMD: expected a list with [ ]"
            read -ra command <<< "$(tr -d '[]",' <<< "$rest")"
            ;;
        *) fail 65 "$place: $word: a step that this script doesn't know" ;;
    esac
}

# Runs the steps of Dockerfile; the image is $work/image, and what it says of itself in $work/settings.
build_image() {
    local line text='' number=0
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then continue; fi
        if [[ $line == *\\ ]]; then
            text+=${line%\\}
            continue
        fi
        place="Dockerfile:$number"
        step "$text$line"
        text=''
    done < "$repository/Dockerfile"
    declare -p environment directory user command > "$work/settings"
    for line in "${stages[@]}"; do rm -rf -- "$line"; done
}

# --- The command line -------------------------------------------------------------------------------------------------

case ${1:-} in
    --sshd)
        work=$2
        mount_as_operator
        in_image /usr/sbin/sshd -De -f /home/mpiuser/.sshd_config
        exit
        ;;
    --inside)
        work=$2 hosts=$3
        shift 3
        run_on_hosts "$@"
        exit
        ;;
esac

work='' hosts=''
while (($# > 0)); do
    case $1 in
        --image)
            [[ -n ${2:-} ]] || fail 64 "--image wants a folder; $usage"
            work=$2
            shift 2
            ;;
        --hosts)
            [[ ${2:-} =~ ^[1-9][0-9]?$ ]] || fail 64 "--hosts wants a number from 1 to 99, found \"${2:-}\"; $usage"
            hosts=$2
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
        *) fail 64 "unknown option \"$1\"; $usage" ;;
    esac
done
check_roots
is_kept=$work
if [[ -z $work ]]; then
    work=$(realpath -- "$(mktemp -d)")
elif [[ -e $work && ! -f $work/settings && -n $(ls -A -- "$work" 2> /dev/null) ]]; then
    fail 64 "$work: holds something else than an image of this script; name another folder"
else
    mkdir -p -- "$work"
    work=$(realpath -- "$work")
fi
if [[ ! -f $work/settings ]]; then
    command -v swift > /dev/null || fail 69 "no Swift toolchain on the PATH, for the stage that builds"
    # The folder was empty, and is again when the image can't be finished.
    trap 'rm -rf -- "${work:?}"/*' EXIT
    build_image
    if [[ -n $is_kept ]]; then trap - EXIT; else trap 'rm -rf -- "$work"' EXIT; fi
fi
code=0
if [[ -n $hosts ]]; then
    "$repository/launch/lab.sh" --hosts "$hosts" -- "$BASH" "$script" --inside "$work" "$hosts" "$@" || code=$?
else
    in_image "$@" || code=$?
fi
exit "$code"
