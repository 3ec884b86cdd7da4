#!/usr/bin/env bash
# Makes the documentation of the library DTrain, from what the last release build (launch/test.sh, or
# swift build -c release) has compiled: launch/documentation.sh FOLDER.doccarchive
#
# A warning is an error: every link leads somewhere. The folder is for web servers; nothing is fetched.
set -euo pipefail

if (($# != 1)) || [[ -z $1 || $1 == -* ]]; then
    echo "usage: launch/documentation.sh FOLDER.doccarchive" >&2
    exit 64
fi
archive=$(realpath -m -- "$1")
if [[ -e $archive && ! -f $archive/metadata.json ]]; then
    echo "$1: is there already, and no documentation archive; name another folder" >&2
    exit 73
fi
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
build=${DTRAIN_BUILD:-.build}/release
if ! command -v docc > /dev/null; then
    echo "this toolchain has no docc"
    exit 77
fi
if [[ ! -f $build/Modules/DTrain.swiftmodule ]]; then
    echo "$build: no library DTrain is built there: swift build -c release" >&2
    exit 66
fi

graphs=$(realpath -- "$(mktemp -d)")
trap 'rm -rf "$graphs"' EXIT

# What the library was compiled with: the rooms' modules, and those of C that they import.
flags=()
for map in "$PWD"/Sources/C*/module.modulemap "$build"/*.build/module.modulemap; do
    if [[ -f $map ]]; then flags+=(-Xcc "-fmodule-map-file=$(realpath -- "$map")"); fi
done
for headers in "$PWD"/Sources/C*/include "${DTRAIN_BUILD:-.build}"/checkouts/*/Sources/C*/include; do
    if [[ -d $headers ]]; then flags+=(-I "$headers"); fi
done
mpi=ompi-c
if [[ ${DTRAIN_MPI:-openmpi} == mpich ]]; then mpi=mpich; fi
for library in "$mpi" libpng libjpeg zlib libcrypto; do
    for flag in $(pkg-config --cflags-only-I "$library" 2> /dev/null || true); do flags+=(-Xcc "$flag"); done
done
if [[ $(uname -m) == x86_64 ]]; then flags+=(-Xcc "-march=${DTRAIN_MARCH:-x86-64-v3}"); fi

target=$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)",.*/\1/p' | head -n 1)
swift symbolgraph-extract -module-name DTrain -target "$target" -I "$build/Modules" "${flags[@]}" \
    -minimum-access-level public -skip-inherited-docs -skip-synthesized-members -output-dir "$graphs"
# What it adds to types of other modules stands in files of their own, which are none of its surface.
find "$graphs" -name 'DTrain@*' -delete
docc convert Sources/DTrain/DTrain.docc --additional-symbol-graph-dir "$graphs" --warnings-as-errors \
    --fallback-display-name DTrain --fallback-bundle-identifier dtrain.DTrain --output-path "$archive"
echo "$1"
