#!/usr/bin/env bash
# layers.sh CC [ROOT] - check the includes between layers and folders.
#
# Prints one line per fault, and exits with 1 if there are any. The kinds of fault:
#   upward      an include of a higher layer (src/main.c may include anything; cli/ includes neither
#               control/ nor proxy/)
#   folder      an include of a folder that comes later in the list of folders, or a folder that
#               is not in the list
#   unknown     a quoted include of a file that is not in this project
#   private     an include of a header in src/ of another layer
#   cycle       headers that include each other in a ring
#   room        an include of a third-party header, or of a system header with side effects, in a
#               file that may not use it (see rooms)
#   paho        more than one file that includes Paho headers
#   umbrella    a header that contains nothing but includes
#   alone       a header that does not compile by itself, or when it is included twice
# ROOT is the tree to check; the default is the tree of this script. layers_test.sh passes trees
# with faults.
#
# One process reads all files: a process per include took minutes on a loaded machine. If a .c file
# includes a header before anything else, the build already checks that the header compiles alone, so
# this script only checks its include guard.
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

layers=(base wire model net proxy control cli)

# The folders of each layer, lowest first. A file may include its own folder and earlier ones only.
folders=(
    base
    wire/mqtt wire/proxy wire wire/http
    model/config model/config/keys model/config/check model
    net net/tls/cert net/tls net/ws
    proxy proxy/admission proxy/session proxy/stages proxy/worker
    control/host control/tls control/discovery control/health control/service control/reload
    control/admin control/admin/metrics control/admin/dashboard control/admin/api control
    cli
)

# Restricted headers, and the files that may include them (two regular expressions per row).
rooms=(
    '^ev\.h$                  ^(src|include)/(proxy|control)/|^src/main\.c$'
    '^openssl/                ^(src|include)/net/tls/|^src/net/ws/upgrade\.c$'
    '^jansson\.h$             ^src/model/config/|^src/control/admin/|^src/cli/'
    '^MQTT[A-Za-z]*\.h$       ^src/wire/mqtt/[^/]*\.c$'
    '^xxhash\.h$              ^src/model/'
    '^microhttpd\.h$          ^src/control/admin/'
    '^curl/                   ^src/cli/http\.c$'
    '^ares\.h$                ^src/control/discovery/'
    '^seccomp\.h$             ^src/control/host/sandbox'
    '^cap-ng\.h$              ^src/control/host/privileges'
    '^wslay/                  ^src/net/ws/'
    # wire and model are pure: they use no descriptors, clocks or threads. wire does not use malloc.
    '^(unistd|fcntl|poll|time|pthread|sys/(socket|time|stat|uio))\.h$  ^(src|include)/(base|net|proxy|control|cli)/|^src/main\.c$'
    '^stdlib\.h$              ^(src|include)/(base|model|net|proxy|control|cli)/|^src/main\.c$'
)

# include_faults: read lines of "file include-as-written" and print the faults. Write the includes
# between headers to $scratch/edges, as input for tsort.
include_faults() {
    awk -v layers="${layers[*]}" -v folders="${folders[*]}" \
        -v files="$scratch/files" -v rooms_file="$scratch/rooms" -v edges="$scratch/edges" '
    BEGIN {
        n_layers = split(layers, layer_at, " ")
        for (i = 1; i <= n_layers; i++) height[layer_at[i]] = i
        n_folders = split(folders, folder_at, " ")
        for (i = 1; i <= n_folders; i++) rank[folder_at[i]] = i
        while ((getline line <files) > 0) exists[line] = 1
        while ((getline line <rooms_file) > 0) {
            split(line, row, " ")
            room_header[++n_rooms] = row[1]
            room_files[n_rooms] = row[2]
        }
    }
    function layer_of(path) { # the first folder below src/ or include/
        sub(/^[^\/]*\//, "", path)
        sub(/\/.*/, "", path)
        return path
    }
    function folder_of(path) { # the full folder path below src/ or include/
        sub(/^[^\/]*\//, "", path)
        sub(/\/[^\/]*$/, "", path)
        return path
    }
    function height_of(path) { # 99 for main.c, 0 for a file outside all layers
        return path == "src/main.c" ? 99 : height[layer_of(path)] + 0
    }
    function resolve(includer, name,    beside) { # the path of the included file; empty if not found
        beside = includer
        sub(/[^\/]*$/, name, beside)
        if (beside in exists) return beside
        if (("include/" name) in exists) return "include/" name
        return ("src/" name) in exists ? "src/" name : ""
    }
    function check_quoted(file, name,    target, from, to) {
        target = resolve(file, name)
        from = height_of(file)
        to = height_of(target)
        if (target == "") {
            print file ": unknown: \"" name "\" is no file of this project"
            return
        }
        if (from == 0)
            print file ": upward: it is in no layer (" layers ")"
        else if (to > from || (layer_of(file) == "cli" && layer_of(target) ~ /^(proxy|control)$/))
            print file ": upward: includes " target
        else if (from != 99 && !(folder_of(file) in rank))
            print file ": folder: " folder_of(file) " is not in the list of folders"
        else if (from == to && rank[folder_of(target)] > rank[folder_of(file)])
            print file ": folder: includes " target
        else if (from != 99 && target ~ /^src\// && to != from)
            print file ": private: " target " belongs to " layer_of(target)
        if (file ~ /\.h$/)
            print file, target >edges
    }
    function check_angled(file, name,    i) {
        for (i = 1; i <= n_rooms; i++)
            if (name ~ room_header[i] && file !~ room_files[i])
                print file ": room: <" name "> may only be included by " room_files[i]
    }
    { name = substr($2, 2, length($2) - 2) }
    $2 ~ /^"/ { check_quoted($1, name) }
    $2 ~ /^</ { check_angled($1, name) }'
}

# umbrella_faults HEADER...: print the headers that contain includes but no code. Code is everything
# except comments and preprocessor lines; macros count as code.
umbrella_faults() {
    awk 'function finish(    at, rest, end, n, i, line, lines, includes, code) {
             while ((at = index(text, "/*")) > 0) {
                 rest = substr(text, at + 2)
                 end = index(rest, "*/")
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
             if (includes && !code) print file ": umbrella: holds nothing but includes"
         }
         FNR == 1 { if (file) finish(); file = FILENAME; text = "" }
         { text = text $0 "\n" }
         END { if (file) finish() }' "$@"
}

# headers_the_build_compiles: print the headers that a .c file includes before any other preprocessor
# line.
headers_the_build_compiles() {
    find src -name '*.c' -exec awk '
        FNR == 1 { first = 1 }
        first && /^[ \t]*#/ {
            first = 0
            if ($0 !~ /^[ \t]*#[ \t]*include[ \t]*"/) next
            split($0, part, "\"")
            beside = FILENAME
            sub(/[^\/]*$/, part[2], beside)
            print beside
            print "include/" part[2]
            print "src/" part[2]
        }' {} + | sort -u
}

# guard_faults HEADER...: the first two preprocessor lines must be #ifndef X and #define X.
guard_faults() {
    [ $# -eq 0 ] || awk '
        function finish() { if (file && !guarded) print file ": alone: no include guard" }
        FNR == 1 { finish(); file = FILENAME; n = guarded = 0 }
        /^[ \t]*#/ {
            n++
            if (n == 1 && $1 == "#ifndef") guard = $2
            if (n == 2 && $1 == "#define" && $2 == guard) guarded = 1
            if (n == 1 && $1 != "#ifndef") guard = ""
        }
        END { finish() }' "$@"
}

check_alone() { # header: include it twice, to detect a missing include guard
    printf '#include "%s"\n#include "%s"\n' "$PWD/$1" "$PWD/$1" |
        "$cc" -std=c17 -D_GNU_SOURCE -fsyntax-only -Iinclude -Isrc "${flags[@]}" -x c - \
            >"$scratch/cc" 2>&1 || fault "$1: alone: $(grep -m1 -E 'error' "$scratch/cc")"
}

read -ra flags <<<"$(pkg-config --cflags jansson libxxhash openssl 2>/dev/null)"
: >"$scratch/edges"

# Lines of "file include-as-written", without duplicates.
grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*("[^"]*"|<[^>]*>)' src include --include='*.[ch]' |
    sed -E 's/^([^:]*):[0-9]+:[^"<]*/\1 /' | sort -u >"$scratch/includes"
find include src -type f >"$scratch/files"
printf '%s\n' "${rooms[@]}" >"$scratch/rooms"
include_faults <"$scratch/includes" | tee -a "$faults"

# tsort prints the headers of a cycle to standard error.
if ! tsort "$scratch/edges" >/dev/null 2>"$scratch/rings"; then
    fault "cycle: $(sed -E 's/^tsort: //; /input contains a loop/d' "$scratch/rings" | paste -sd' ')"
fi

paho=$(grep -E '^src/wire/[^ ]* <MQTT[A-Za-z]*\.h>$' "$scratch/includes" | cut -d' ' -f1 | sort -u)
[ "$(wc -w <<<"$paho")" -le 1 ] || fault "paho: its headers are in $(paste -sd' ' <<<"$paho")"

find include src -name '*.h' | sort >"$scratch/headers"
headers_the_build_compiles | comm -12 "$scratch/headers" - >"$scratch/built"
mapfile -t headers <"$scratch/headers"
mapfile -t built <"$scratch/built"
umbrella_faults "${headers[@]}" | tee -a "$faults"
guard_faults "${built[@]}" | tee -a "$faults"
while read -r header; do
    check_alone "$header"
done < <(comm -23 "$scratch/headers" "$scratch/built")

count=$(wc -l <"$faults")
echo "${#headers[@]} headers, $(wc -l <"$scratch/includes") includes, $count faults"
[ "$count" -eq 0 ]
