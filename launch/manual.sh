# shellcheck shell=bash
# The manual page and the scripts of completion, where man and shells look for them. It isn't run but read by launch/install.sh.

# install_manual PROGRAM SHARE: writes what PROGRAM says of itself into folders of SHARE, such as /usr/local/share.
install_manual() {
    local program=$1 share=$2 file
    for file in man/man1/dtrain.1 bash-completion/completions/dtrain zsh/site-functions/_dtrain \
        fish/vendor_completions.d/dtrain.fish; do
        mkdir -p -- "$share/${file%/*}" || return 73
        # Written beside and renamed: what is there stays until the new one is complete.
        case $file in
            man/*) "$program" manual ;;
            bash*) "$program" completion bash ;;
            zsh/*) "$program" completion zsh ;;
            *) "$program" completion fish ;;
        esac > "$share/$file.draft" || return 73
        chmod 644 -- "$share/$file.draft" && mv -fT -- "$share/$file.draft" "$share/$file" || return 73
    done
}
