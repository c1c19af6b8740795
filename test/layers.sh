#!/usr/bin/env bash
# layers.sh CC [ROOT] - hold the house to its plan: who may include what.
#
# Fails, with one line a fault, on
#   upward      an include of a higher layer (src/main.c may include anything)
#   unknown     a quoted include that names no file of this project
#   private     a header of src/ included from another layer
#   cycle       headers that include each other in a ring
#   room        a third-party header, or a system header of the impure kind, outside its room
#   paho        Paho headers in more than one file
#   umbrella    a header that holds nothing but includes
#   alone       a header that does not compile by itself, or not twice
# ROOT is the tree to look at, this one unless told (layers_test.sh passes bad trees).
set -u
export LC_ALL=C
cc=${1:?usage: layers.sh CC [ROOT]}
root=${2:-$(dirname "$0")/..}
cd "$root" || exit 2
[ -d include ] && [ -d src ] || { echo "no include/ and src/ in $root"; exit 2; }
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
faults=$scratch/faults
: >"$faults"

fault() {
    echo "$*" | tee -a "$faults"
}

layers=(base wire model net proxy control)

# Third-party headers and the files that may include them; main.c has no room of its own.
rooms=(
    '^ev\.h$                  ^(src|include)/(proxy|control)/|^src/main\.c$'
    '^openssl/                ^(src|include)/net/[^/]*tls|^src/net/stream_ws_accept_key\.c$'
    '^jansson\.h$             ^src/model/config|^src/control/(admin|client|plan_json)'
    '^MQTT[A-Za-z]*\.h$       ^src/wire/[^/]*\.c$'
    '^xxhash\.h$              ^src/model/'
    '^microhttpd\.h$          ^src/control/admin'
    '^curl/                   ^src/control/client_http\.c$'
    '^ares\.h$                ^src/control/resolver'
    '^seccomp\.h$             ^src/control/sandbox'
    '^cap-ng\.h$              ^src/control/privileges'
    '^wslay/                  ^src/net/stream_ws'
    # wire and model are pure: no descriptor, no clock, no thread; wire no malloc either.
    '^(unistd|fcntl|poll|time|pthread|sys/(socket|time|stat|uio))\.h$  ^(src|include)/(base|net|proxy|control)/|^src/main\.c$'
    '^stdlib\.h$              ^(src|include)/(base|model|net|proxy|control)/|^src/main\.c$'
)

rank_of() { # a path below src/ or include/: the height of its layer, 99 for main.c
    local layer=${1#*/} i
    [ "$1" = src/main.c ] && { echo 99; return; }
    for i in "${!layers[@]}"; do
        [ "${layer%%/*}" = "${layers[$i]}" ] && { echo "$i"; return; }
    done
    echo -1
}

resolve() { # includer, name as written between quotes: the file it means, or nothing
    local candidate
    for candidate in "$(dirname "$1")/$2" "include/$2" "src/$2"; do
        [ -f "$candidate" ] && { echo "$candidate"; return; }
    done
}

layer_of() {
    local rest=${1#*/}
    echo "${rest%%/*}"
}

check_quoted() { # includer, name
    local target from to
    target=$(resolve "$1" "$2")
    if [ -z "$target" ]; then
        fault "$1: unknown: \"$2\" is no file of this project"
        return
    fi
    from=$(rank_of "$1")
    to=$(rank_of "$target")
    if [ "$from" -lt 0 ]; then
        fault "$1: upward: it is in no layer (${layers[*]})"
    elif [ "$to" -gt "$from" ]; then
        fault "$1: upward: includes $target"
    elif [ "$from" -ne 99 ] && [ "${target#src/}" != "$target" ] && [ "$to" -ne "$from" ]; then
        fault "$1: private: $target belongs to $(layer_of "$target")"
    fi
    case $1 in *.h) echo "$1 $target" >>"$scratch/edges" ;; esac
}

check_angled() { # includer, name
    local row
    for row in "${rooms[@]}"; do
        read -r header files <<<"$row"
        if [[ $2 =~ $header ]] && ! [[ $1 =~ $files ]]; then
            fault "$1: room: <$2> may only be included by $files"
        fi
    done
}

check_umbrella() { # header: code is what is left without comments and preprocessor lines
    awk '{ text = text $0 "\n" }
         END { while ((at = index(text, "/*")) > 0) {
                   rest = substr(text, at + 2); end = index(rest, "*/")
                   text = substr(text, 1, at - 1) (end ? substr(rest, end + 2) : "")
               }
               n = split(text, lines, "\n")
               for (i = 1; i <= n; i++) {
                   line = lines[i]
                   if (line ~ /^[ \t]*#[ \t]*include/) includes++
                   else if (line ~ /^[ \t]*#[ \t]*define[ \t]+[A-Z0-9_]+_H[ \t]*$/) continue
                   else if (line ~ /^[ \t]*#[ \t]*define/) code++
                   else if (line !~ /^[ \t]*(#.*|\/\/.*)?$/) code++
               }
               exit (includes && !code) }' "$1" || fault "$1: umbrella: holds nothing but includes"
}

check_alone() { # header: twice, so that a missing include guard shows
    printf '#include "%s"\n#include "%s"\n' "$PWD/$1" "$PWD/$1" |
        "$cc" -std=c17 -D_GNU_SOURCE -fsyntax-only -Iinclude -Isrc "${flags[@]}" -x c - \
            >"$scratch/cc" 2>&1 || fault "$1: alone: $(grep -m1 -E 'error' "$scratch/cc")"
}

read -ra flags <<<"$(pkg-config --cflags jansson libxxhash openssl 2>/dev/null)"
: >"$scratch/edges"

# file, then the include as written; each line once.
grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*("[^"]*"|<[^>]*>)' src include --include='*.[ch]' |
    sed -E 's/^([^:]*):[0-9]+:[^"<]*/\1 /' | sort -u >"$scratch/includes"
while read -r file name; do
    case $name in
    \"*) check_quoted "$file" "${name:1:-1}" ;;
    *) check_angled "$file" "${name:1:-1}" ;;
    esac
done <"$scratch/includes"

# tsort names the headers of a ring on its error output.
if ! tsort "$scratch/edges" >/dev/null 2>"$scratch/rings"; then
    fault "cycle: $(sed -E 's/^tsort: //; /input contains a loop/d' "$scratch/rings" | paste -sd' ')"
fi

paho=$(grep -E '^src/wire/[^ ]* <MQTT[A-Za-z]*\.h>$' "$scratch/includes" | cut -d' ' -f1 | sort -u)
[ "$(wc -w <<<"$paho")" -le 1 ] || fault "paho: its headers are in $(paste -sd' ' <<<"$paho")"

headers=$(find include src -name '*.h' | sort)
for header in $headers; do
    check_umbrella "$header"
    check_alone "$header"
done

count=$(wc -l <"$faults")
echo "$(wc -w <<<"$headers") headers, $(wc -l <"$scratch/includes") includes, $count faults"
[ "$count" -eq 0 ]
