# Completion of mqtt-router's command line in bash: commands, options, and the nodes of a running
# router. Installed as share/bash-completion/completions/mqtt-router; `source` it to try it.
#
# Commands and options are read from the output of --help. Node names come from the router that is
# selected by the command line (--admin, --config) or by MQTT_ROUTER_ADMIN. If that router does not
# respond within two seconds, no names are offered. The shell never expands the router's output.

_mqtt_router_offer() { # current word; reads candidates from standard input, one per line
    local candidate skip=${1%"${1##*:}"}
    # If a colon breaks words, bash completes only the part after it.
    [[ $COMP_WORDBREAKS == *:* ]] || skip=
    while IFS= read -r candidate; do
        # Skip names with a backslash: they contain escaped characters.
        [[ $candidate == "$1"* && $candidate != *\\* ]] || continue
        candidate=${candidate#"$skip"}
        COMPREPLY+=("$(printf %q "$candidate")")
    done
}

_mqtt_router_commands() {
    "$1" --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]\{1,\}\).*/\1/p'
}

_mqtt_router_nodes() { # program, options that select the router...
    timeout 2 "$1" nodes --names "${@:2}" 2>/dev/null
}

_mqtt_router() {
    local program=$1 line=${COMP_LINE:0:COMP_POINT} word value='' command='' wants='' i
    local -a words=() where=() operands=()
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current=${words[-1]}

    # Options with a value, as in "--rate N", one per line.
    local valued
    valued=$("$program" --help 2>/dev/null | grep -oE -- '--[a-z-]+ [A-Z]+'; echo "-c FILE")
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $value ]]; then
            value=
        elif [[ $word == -* ]]; then
            value=$(grep -m1 -e "^$word " <<<"$valued")
            value=${value##* }
            case $word in
            --admin | --config | --token-file | -c) where+=("$word" "${words[i + 1]}") ;;
            esac
        elif [[ -z $command ]]; then
            command=$word
        else
            operands+=("$word")
        fi
    done

    # The kind of word to complete: the value of an option, or an operand.
    wants=$value
    if [[ -z $wants && $current == -* ]]; then
        wants=OPTION
    elif [[ -z $wants ]]; then
        case $command:${#operands[@]} in
        :0 | help:0) wants=COMMAND ;;
        drain:0 | restore:0) wants=NODE ;;
        plan:[01]) wants=FILE ;;
        esac
    fi
    case $wants in
    OPTION) _mqtt_router_offer "$current" < <(
        "$program" ${command:+"$command"} --help 2>/dev/null |
            sed -n 's/^  \(--[a-z-]*\).*/\1/p' | sort -u
        printf "%s\n" --help --version) ;;
    COMMAND) _mqtt_router_offer "$current" < <(_mqtt_router_commands "$program") ;;
    NODE) _mqtt_router_offer "$current" < <(_mqtt_router_nodes "$program" "${where[@]}") ;;
    FILE)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    esac
}

complete -F _mqtt_router mqtt-router
