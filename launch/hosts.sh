# shellcheck shell=bash
# What launch/local.sh knows of hosts. It isn't run but read by that script, whose `ranks`, `fail`, `is_count` and `close_all`
# it uses.

# The names that read_hosts found.
host_names=()

# read_hosts FILE: reads the hosts that mpirun would find in FILE, and sets `ranks` to the number of slots where it is empty.
read_hosts() {
    local file=$1 line word total=0 is_complete=true number=0 slots
    local -a words
    [[ -f $file && -r $file ]] \
        || fail 66 "$file: no such file can be read; --hostfile wants one with a line for each host: NAME slots=N"
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        read -ra words <<< "${line%%#*}"
        if ((${#words[@]} == 0)); then continue; fi
        # No option of ssh.
        if [[ ! ${words[0]} =~ ^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]]; then
            fail 64 "$file:$number: expected the name or address of a host, found \"${words[0]}\""
        fi
        host_names+=("${words[0]}")
        slots=""
        for word in "${words[@]:1}"; do
            case $word in
                slots=*)
                    slots=${word#slots=}
                    if ! is_count "$slots" || ((10#$slots < 1)); then
                        fail 64 "$file:$number: slots= wants the number of ranks that the host may get, found \"$slots\""
                    fi
                    ;;
            esac
        done
        if [[ -n $slots ]]; then total=$((total + 10#$slots)); else is_complete=false; fi
    done < "$file"
    ((${#host_names[@]} > 0)) || fail 64 "$file: lists no host; expected a line for each: NAME slots=N"
    if ! $is_complete; then
        # mpirun counts the cores there.
        [[ -n $ranks ]] || fail 64 "the number of ranks is missing, and $file doesn't say slots=N for every host; add -np N"
    elif [[ -z $ranks ]]; then
        ranks=$total
    elif ((ranks > total)); then
        fail 64 "-np $ranks: the hosts of $file have $total slots; raise slots= there, or use fewer ranks"
    fi
}

# check_hosts PROGRAM: asks all hosts at once whether ranks can be started there. Says of the first that can't be reached what
# ssh says (74), or that it has no PROGRAM (66).
check_hosts() {
    local program=$1 name index code words question=true
    local -a agent answers=() askers=() asked=()
    # There a batch system starts the ranks.
    if [[ -n ${SLURM_JOB_ID:-}${PBS_JOBID:-}${LSB_JOBID:-} ]]; then return 0; fi
    read -ra agent <<< "${OMPI_MCA_plm_rsh_agent:-ssh}"
    if [[ $program != -* ]]; then
        program=$(command -v -- "$program")
        if [[ $program == /* ]]; then question="test -x $(printf '%q' "$program")"; fi
    fi
    for name in "${host_names[@]}"; do
        if [[ $name == localhost || $name == "${HOSTNAME:-}" || $name == "${HOSTNAME%%.*}" ]]; then continue; fi
        if ! command -v -- "${agent[0]}" > /dev/null; then
            fail 66 "${agent[0]} isn't there, and mpirun starts ranks on other hosts by it; install it (Debian, Ubuntu:" \
                "apt-get install openssh-client), or name another in OMPI_MCA_plm_rsh_agent"
        fi
        # A password can't be typed in: nobody watches.
        if [[ ${agent[0]##*/} == ssh && ${#asked[@]} == 0 ]]; then agent+=(-o BatchMode=yes -o ConnectTimeout=15); fi
        exec {answer}<> <(:)
        "${agent[@]}" "$name" "$question" < /dev/null > /dev/null 2>&"$answer" &
        asked+=("$name") answers+=("$answer") askers+=("$!")
    done
    for index in "${!asked[@]}"; do
        code=0
        wait "${askers[index]}" || code=$?
        if ((code == 0)); then continue; fi
        name=${asked[index]}
        if ((code == 1)) && [[ $question != true ]]; then
            fail 66 "$name has no program $program; install it there under the same path"
        fi
        words=""
        while read -r -t 0.1 -u "${answers[index]}" line; do words=$line; done
        fail 74 "$name can't be reached (${words:-${agent[0]} ended with $code}); \"${agent[0]} $name true\" must work" \
            "without asking anything"
    done
    if ((${#answers[@]} > 0)); then close_all "${answers[@]}"; fi
}
