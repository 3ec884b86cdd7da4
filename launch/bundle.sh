# shellcheck shell=bash
# How launch/install.sh makes an archive for machines without a toolchain. It isn't run but read by that script, whose `say` it
# uses; in the repository's folder.

# What goes into the program: pkg-config's name, the archive of the static library, and what it needs itself.
readonly static_libraries=("zlib z" "libpng png16 z m" "libjpeg jpeg" "libcrypto crypto dl pthread")
# The shared libraries that the program may still want: Open MPI's, and what every Debian has (libc6 and libgcc-s1).
readonly wanted_libraries=" libmpi.so.40 libc.so.6 libm.so.6 libgcc_s.so.1 ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 "

# Makes the folder $1, where a linker that looks there first finds static libraries only, and files that lead pkg-config there.
collect_static_libraries() {
    local folder=$1 entry name file path flags
    local -a words
    rm -rf -- "$folder"
    mkdir -p -- "$folder"
    for entry in "${static_libraries[@]}"; do
        IFS=' ' read -ra words <<< "$entry"
        name=${words[0]}
        path=$(pkg-config --variable=libdir "$name")/lib${words[1]}.a
        if [[ ! -f $path ]]; then
            say "$path isn't there; install what brings static libraries of ${words[1]} (Debian: the package with its headers)"
            return 69
        fi
        ln -s -- "$path" "$folder/"
        flags=''
        for file in "${words[@]:1}"; do flags+=" -l$file"; done
        printf 'Name: %s\nDescription: static\nVersion: %s\nLibs: -L%s%s\nCflags: %s\n' "$name" \
            "$(pkg-config --modversion "$name")" "$folder" "$flags" "$(pkg-config --cflags "$name")" > "$folder/$name.pc"
    done
    # The module map asks for this name.
    ln -s libpng16.a "$folder/libpng.a"
    path=$(cc -print-file-name=libstdc++.a 2> /dev/null) || path=''
    if [[ $path != /* ]]; then
        say "there is no libstdc++.a; install what brings it (Debian: libstdc++-12-dev, or that of another version)"
        return 69
    fi
    ln -s -- "$path" "$folder/"
}

# Ends with 70 where the program $1 wants a library that the machines that it is made for may not have.
check_libraries() {
    local library
    while read -r library; do
        if [[ $wanted_libraries != *" $library "* ]]; then
            say "$1 wants $library, which should be inside it"
            return 70
        fi
    done < <(objdump -p "$1" | sed -n 's/^ *NEEDED *//p')
}

# Licences of what the program has inside, as its packages have them.
copy_licences() {
    local folder=$1 package file
    for package in zlib1g-dev libpng-dev libjpeg62-turbo-dev libjpeg-turbo8-dev libssl-dev libstdc++-12-dev; do
        file=/usr/share/doc/$package/copyright
        if [[ -f $file ]]; then cp -L -- "$file" "$folder/$package"; fi
    done
    file=$(dirname -- "$(realpath -- "$(command -v swift)")")/../share/swift/LICENSE.txt
    if [[ -f $file ]]; then cp -- "$file" "$folder/swift"; fi
    for package in .build/static/checkouts/*; do
        for file in "$package"/LICENSE*; do
            if [[ -f $file ]]; then cp -- "$file" "$folder/${package##*/}"; fi
        done
    done
}

# make_bundle FILE HERE: makes the archive FILE, or in the folder HERE one with the usual name.
make_bundle() {
    local file=$1 libraries=$PWD/.build/static-libraries program=.build/static/release/dtrain
    local tool version name stage draft
    launch/setup.sh
    for tool in cc strip objdump; do
        if ! command -v "$tool" > /dev/null; then
            say "$tool isn't there; install it (Debian, Ubuntu: apt-get install gcc binutils)"
            return 69
        fi
    done
    collect_static_libraries "$libraries"
    PKG_CONFIG_PATH=$libraries swift build -c release --product dtrain --static-swift-stdlib --scratch-path .build/static \
        -Xlinker "-L$libraries"
    check_libraries "$program"
    version=$("$program" --version | sed -n '1s/^dtrain \([^ ]*\).*/\1/p')
    name=dtrain-$version-linux-$(uname -m)
    file=${file:-$2/$name.tar.gz}
    stage=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf -- '$stage'" EXIT
    mkdir -p -- "$stage/$name/bin" "$stage/$name/launch" "$stage/$name/licences"
    # What a debugger would want is two thirds of it; names of functions stay.
    strip --strip-debug -o "$stage/$name/bin/dtrain" "$program"
    cp -r -- configs README.md LICENSE "$stage/$name/"
    cp -- launch/local.sh launch/hosts.sh launch/slurm.sbatch launch/fetch-data.sh "$stage/$name/launch/"
    # shellcheck source=launch/manual.sh
    . launch/manual.sh
    install_manual "$PWD/$program" "$stage/$name/share"
    copy_licences "$stage/$name/licences"
    # The same files make the same archive, whoever makes it and when.
    draft=$(mktemp -- "$file.XXXXXX")
    # shellcheck disable=SC2064 # the names of now
    trap "rm -rf -- '$stage' '$draft'" EXIT
    tar --create --directory "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u+w,go+r-w,a+X "$name" \
        | gzip -9 --no-name > "$draft"
    chmod 644 "$draft"
    mv -fT -- "$draft" "$file"
    say "made $file"
}
