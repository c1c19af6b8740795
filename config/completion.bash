# Completion of mqtt-router's command line in bash: commands, options, and the nodes of a running
# router. Installed as share/bash-completion/completions/mqtt-router; `source` does it by hand.
#
# Words come from the program's own help, so they cannot drift apart. Nodes are asked of the router
# that the line names (--admin, --config), or that MQTT_ROUTER_ADMIN names; when there is none, or
# it says nothing within two seconds, nothing is offered. What it says is never expanded.

_mqtt_router_offer() { # the word so far, then the candidates on standard input, one a line
    local candidate skip=${1%"${1##*:}"}
    # bash takes the part behind a colon for the word, where the colon breaks words.
    [[ $COMP_WORDBREAKS == *:* ]] || skip=
    while IFS= read -r candidate; do
        # A backslash: the name has characters that were escaped to be shown.
        [[ $candidate == "$1"* && $candidate != *\\* ]] || continue
        candidate=${candidate#"$skip"}
        COMPREPLY+=("$(printf %q "$candidate")")
    done
}

_mqtt_router_commands() {
    "$1" --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]\{1,\}\).*/\1/p'
}

_mqtt_router_nodes() { # the program, then how it finds the router
    timeout 2 "$1" nodes --names "${@:2}" 2>/dev/null
}

_mqtt_router() {
    local program=$1 line=${COMP_LINE:0:COMP_POINT} word value='' command='' wants='' i
    local -a words=() where=() operands=()
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current=${words[-1]}

    # Options that have a value, as in "--rate N", one a line.
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

    # What kind of word is wanted: the value of an option, or an operand.
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
