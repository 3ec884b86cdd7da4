#!/usr/bin/env bash
# Installs dtrain, or packs it for machines without a Swift toolchain.
#
#   launch/install.sh [PREFIX]
#   launch/install.sh --bundle [FILE]
#
# The first builds and installs PREFIX/bin/dtrain, with its manual page and the completion of bash, zsh and fish in PREFIX/share. Without PREFIX: /usr/local where that can be written, or else ~/.local.
#
# --bundle makes one archive, FILE or else dtrain-VERSION-linux-MACHINE.tar.gz here, with the program, its configurations and the
# scripts that start ranks. Swift's library, zlib, libpng, libjpeg, libcrypto and libstdc++ are inside the program, since
# their file names differ from one distribution to the next; Open MPI isn't, because its library and its mpirun belong
# together: Debian's libopenmpi3 or libopenmpi40, with openmpi-bin. It runs on any Linux with the C library of the machine
# where it was made, or a newer one.
set -euo pipefail
unset CDPATH

say() { printf 'install.sh: %s\n' "$*" >&2; }

bundle=''
if [[ ${1:-} == --bundle ]]; then
    bundle=${2:-}
    if (($# > 2)) || { (($# == 2)) && [[ -z $2 || $2 == -* || -d $2 ]]; }; then
        say "usage: launch/install.sh --bundle [FILE], with FILE an archive to write; found: $(printf '"%s" ' "$@")"
        exit 64
    fi
    if [[ -n $bundle && $bundle != /* ]]; then bundle=$PWD/$bundle; fi
    if [[ ! -w $(dirname -- "${bundle:-./x}") ]]; then
        say "$(dirname -- "${bundle:-$PWD/x}") can't be written; name a file elsewhere: launch/install.sh --bundle FILE"
        exit 73
    fi
    here=$PWD
    cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
    # shellcheck source=launch/bundle.sh
    . launch/bundle.sh
    make_bundle "$bundle" "$here"
    exit 0
fi

# An empty PREFIX is a variable that isn't set, and would be the root directory.
if (($# > 1)) || { (($# == 1)) && [[ -z $1 || $1 == -* ]]; }; then
    say "usage: launch/install.sh [PREFIX], with PREFIX a directory; found: $(printf '"%s" ' "$@")"
    exit 64
fi
if (($# == 1)); then
    prefix=$1
elif [[ -w /usr/local/bin || (! -e /usr/local/bin && -w /usr/local) ]]; then
    prefix=/usr/local
elif [[ -n ${HOME:-} ]]; then
    prefix=$HOME/.local
else
    say "/usr/local can't be written and HOME isn't set; name a directory: launch/install.sh PREFIX"
    exit 64
fi
if [[ $prefix != /* ]]; then prefix=$PWD/$prefix; fi
if ! mkdir -p "$prefix/bin" || [[ ! -w $prefix/bin ]]; then
    say "$prefix/bin can't be written; name another directory: launch/install.sh PREFIX"
    exit 73
fi

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
launch/setup.sh
# With the Swift library inside, the program runs where there is no toolchain. A build directory of its own, because
# the flag would make the next ordinary build start over.
swift build -c release --product dtrain --static-swift-stdlib --scratch-path .build/static

# Copied beside and renamed: a dtrain that is running keeps its file.
draft=$(mktemp "$prefix/bin/.dtrain-XXXXXX")
trap 'rm -f "$draft"' EXIT
cp .build/static/release/dtrain "$draft"
chmod 755 "$draft"
# Onto the name itself, also where that is a link; a directory of that name is an error.
mv -fT "$draft" "$prefix/bin/dtrain"
say "installed $prefix/bin/dtrain"
# shellcheck source=launch/manual.sh
. launch/manual.sh
install_manual "$prefix/bin/dtrain" "$prefix/share" || say "$prefix/share can't be written: no manual page and no completion"

case :$PATH: in
    *:"$prefix/bin":*)
        found=$(command -v dtrain || true)
        if [[ $found != "$prefix/bin/dtrain" ]]; then say "another one comes first on the PATH: $found"; fi
        ;;
    *) say "$prefix/bin is not on the PATH; add it with: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
