#!/usr/bin/env bash
# Tries what a container needs: makes the image of Dockerfile by launch/dockerfile.sh (as root; ten minutes and more), and trains
# in it, alone, on ranks, and on two hosts with the commands of launch/kubernetes. Also shows what the two variables are for that the
# image sets, with a program whose memory and files other processes may not open.
#
#   launch/container-trial.sh [--image FOLDER]
#
# --image: an image that launch/dockerfile.sh has made, or where to make one that stays.
#
# A line for each trial. Ends with 0 when all went as they should, with 1 when not, else as launch/dockerfile.sh does.
set -euo pipefail
unset CDPATH

say() { printf 'container-trial.sh: %s\n' "$*" >&2; }

image=''
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
    exit 0
elif (($# == 2)) && [[ $1 == --image && -n $2 ]]; then
    image=$(realpath -m -- "$2")
elif (($# > 0)); then
    say "usage: launch/container-trial.sh [--image FOLDER], found: $*"
    exit 64
fi
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
if [[ -z $image ]]; then
    scratch=$(realpath -- "$(mktemp -d)")
    trap 'rm -rf -- "$scratch"' EXIT
    image=$scratch/image
fi

failed=0
# What digits come to, on this machine too.
readonly digits=0bc6cc8283c49503a9efac72bb297098fdb6cfdbb3e355af716c35ce136d96cf
result() {
    printf '%-44s %s\n' "$1" "$2"
    if [[ $2 != as\ it\ should* ]]; then failed=1; fi
}
expect_digits() {
    if [[ $2 == *"digest $digits"* ]]; then result "$1" "as it should: $digits"; else result "$1" "WRONG: $2"; fi
}
inside() { launch/dockerfile.sh --image "$image" "$@" 2>&1; }

# The first call makes the image.
launch/dockerfile.sh --image "$image" -- true || exit
root=$image/image

expect_digits "one process" "$(inside -- dtrain --quiet --run /tmp/one || true)"
expect_digits "3 ranks, 64 MB of /dev/shm" "$(inside -- dtrain --quiet --ranks 3 --run /tmp/three || true)"

# The commands of both manifests, from a configuration at the place that they name.
cp -- configs/digits.yaml "$root/work/config.yaml"
for name in mpijob trainjob; do
    mapfile -t command < <(sed -n '/^ *- \/opt\/dtrain\/launch\/local.sh$/,/^ *- --resume$/s/^ *- //p' "launch/kubernetes/$name.yaml")
    rm -rf -- "$root/work/runs"
    expect_digits "kubernetes/$name.yaml's command, 2 hosts" \
        "$(inside --hosts 2 -- "${command[@]}" --quiet || true)"
done

# A program that may be executed and not read: the kernel lets nobody look into its processes.
cp -- "$root/opt/dtrain/bin/dtrain" "$root/opt/closed"
chmod 711 "$root/opt/closed"
closed=(mpirun --oversubscribe -np 2 /opt/closed train --quiet --set 'model.layers=[{dense: {units: 512}}, {dense: {units: 10}}]'
    --set training.max_steps=3 --set training.synchronization=allreduce --run)
# variable WHAT TEXT OTHERWISE [NAME=VALUE…]: whether such a run says TEXT with OTHERWISE, and not with what the image sets.
variable() {
    local what=$1 text=$2 with without
    shift 2
    with=$(inside -- env "${@:2}" "${closed[@]}" "/tmp/with" || true)
    without=$(inside -- env "${@:2}" "$1" "${closed[@]}" "/tmp/without" || true)
    if [[ $with == *digest* && $with != *"$text"* && $without == *"$text"* ]]; then
        result "$what" "as it should: without it \"$text\""
    else
        result "$what" "WRONG: with it: $with; without: $without"
    fi
    rm -rf -- "$root/tmp/with" "$root/tmp/without"
}
variable OMPI_MCA_btl_vader_single_copy_mechanism "Read -1, expected" OMPI_MCA_btl_vader_single_copy_mechanism=cma
variable UCX_POSIX_USE_PROC_LINK "UCX  ERROR" UCX_POSIX_USE_PROC_LINK=y OMPI_MCA_pml=ucx OMPI_MCA_pml_ucx_tls=any \
    OMPI_MCA_pml_ucx_devices=any OMPI_MCA_osc=^ucx UCX_TLS=posix,self,tcp
rm -rf -- "$root/opt/closed" "$root/tmp/one" "$root/tmp/three" "$root/work/runs" "$root/work/config.yaml"
exit "$failed"
