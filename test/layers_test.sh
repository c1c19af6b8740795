#!/usr/bin/env bash
# layers_test.sh CC - check that layers.sh finds each kind of fault in a small tree, and reports
# none in the same tree without the fault. Headers are compiled only for the tests that need it.
set -u
cc=${1:?usage: layers_test.sh CC}
layers=$(cd "$(dirname "$0")" && pwd)/layers.sh
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
bad=0

header() { # path, guard, body
    mkdir -p "$(dirname "$1")"
    printf '/* text */\n#ifndef %s\n#define %s\n%b\n#endif\n' "$2" "$2" "$3" >"$1"
}

make_good_tree() {
    mkdir -p "$scratch"/good/{include,src}/{base,wire/mqtt,model,net/tls,proxy,control,cli}
    cd "$scratch/good" || exit 2
    header include/base/a.h BASE_A_H 'struct a { int n; };'
    header include/wire/mqtt/b.h WIRE_B_H '#include "base/a.h"\nstruct b { struct a a; };'
    header include/wire/only_macros.h WIRE_ONLY_MACROS_H '#include "base/a.h"\n#define B_MAX 3u'
    header src/wire/mqtt/inner.h WIRE_INNER_H 'struct inner;'
    header include/proxy/c.h PROXY_C_H '#include <ev.h>\n#include "wire/mqtt/b.h"\nstruct c { struct b b; };'
    printf '#include "wire/mqtt/b.h"\n#include "wire/mqtt/inner.h"\n#include "inner.h"\n#include <MQTTProperties.h>\n' >src/wire/mqtt/b.c
    printf '#include "proxy/c.h"\n#include <ev.h>\n#include <unistd.h>\n' >src/main.c
    printf '#include "net/tls/x.h"\n#include <openssl/ssl.h>\n#include <time.h>\n' >src/net/tls/x.c
    header include/net/tls/x.h NET_TLS_X_H 'struct tls_x;'
}

good_tree() {
    rm -rf "${scratch:?}/tree"
    cp -r "$scratch/good" "$scratch/tree"
    cd "$scratch/tree" || exit 2
}

expect() { # the fault that layers.sh must print; empty: it must print none
    local output rc compiler=true
    case $1 in '' | *alone*) compiler=$cc ;; esac
    output=$("$layers" "$compiler" "$scratch/tree" 2>&1)
    rc=$?
    if [ -z "$1" ]; then
        [ $rc -eq 0 ] && { echo "ok   clean tree"; return; }
    elif [ $rc -eq 1 ] && grep -qE "$1" <<<"$output" && grep -q ' 1 faults$' <<<"$output"; then
        echo "ok   $1"
        return
    fi
    echo "FAIL want '$1' and only that, exit status $rc:"
    echo "$output"
    bad=1
}

with() { # file, line to add, expected fault
    good_tree
    printf '%b\n' "$2" >>"$1"
    expect "$3"
}

make_good_tree
good_tree && expect ''
with src/wire/mqtt/b.c '#include "proxy/c.h"' 'src/wire/mqtt/b.c: upward: includes include/proxy/c.h'
with src/wire/mqtt/b.c '  # include "net/tls/x.h"' 'src/wire/mqtt/b.c: upward: includes include/net/tls/x.h'
with src/wire/mqtt/b.c '#include "wire/nowhere.h"' 'src/wire/mqtt/b.c: unknown'
with src/net/tls/x.c '#include "wire/mqtt/inner.h"' 'src/net/tls/x.c: private: src/wire/mqtt/inner.h'
with src/wire/mqtt/b.c '#include <ev.h>' 'src/wire/mqtt/b.c: room: <ev.h>'
with src/net/plain.c '#include <openssl/ssl.h>' 'src/net/plain.c: room: <openssl/ssl.h>'
with src/proxy/p.c '#include <openssl/ssl.h>' 'src/proxy/p.c: room: <openssl/ssl.h>'
with src/model/route.c '#include <jansson.h>' 'src/model/route.c: room: <jansson.h>'
with src/net/plain.c '#include <xxhash.h>' 'src/net/plain.c: room: <xxhash.h>'
with src/net/plain.c '#include <wslay/wslay.h>' 'src/net/plain.c: room: <wslay/wslay.h>'
with src/net/plain.c '#include <MQTTClient.h>' 'src/net/plain.c: room: <MQTTClient.h>'
with src/net/plain.c '#include <curl/curl.h>' 'src/net/plain.c: room: <curl/curl.h>'
with src/wire/mqtt/other.c '#include <MQTTReasonCodes.h>' 'paho: its headers are in src/wire/mqtt/b.c src/wire/mqtt/other.c'
with src/model/m.c '#include <time.h>' 'src/model/m.c: room: <time.h>'
with src/wire/mqtt/b.c '#include <stdlib.h>' 'src/wire/mqtt/b.c: room: <stdlib.h>'
with include/base/d.h 'struct d { struct missing m; };' 'include/base/d.h: alone'
with include/base/d.h '#ifndef D_H\n#define D_H\nstruct d { size_t n; };\n#endif' 'include/base/d.h: alone'
with include/base/d.h 'struct d { int n; };' 'include/base/d.h: alone: .*redefinition'

good_tree # a .c file includes this header first
printf 'struct b;\n' >include/wire/mqtt/b.h
expect 'include/wire/mqtt/b.h: alone'
good_tree
printf '#ifndef WIRE_B_H\n#define OTHER_H\nstruct b;\n#endif\n' >include/wire/mqtt/b.h
expect 'include/wire/mqtt/b.h: alone: no include guard'

good_tree
header include/wire/all.h WIRE_ALL_H '#include "wire/mqtt/b.h"\n#include "base/a.h"'
expect 'include/wire/all.h: umbrella'

good_tree
header include/base/e.h BASE_E_H '#include "base/f.h"\nstruct e;'
header include/base/f.h BASE_F_H '#include "base/e.h"\nstruct f;'
expect 'cycle: .*include/base/e.h'

good_tree # a folder may include lower folders only
mkdir -p src/control/health src/control/admin
header src/control/admin/call.h CONTROL_ADMIN_CALL_H 'struct call;'
echo '#include "control/admin/call.h"' >src/control/health/h.c
expect 'src/control/health/h.c: folder: includes src/control/admin/call.h'
good_tree
mkdir -p src/control/attic && echo '#include "base/a.h"' >src/control/attic/x.c
expect 'src/control/attic/x.c: folder: control/attic is not in the list of folders'
with src/cli/c.c '#include "proxy/c.h"' 'src/cli/c.c: upward: includes include/proxy/c.h'

good_tree
mkdir src/attic && echo '#include "base/a.h"' >src/attic/x.c
expect 'src/attic/x.c: upward: it is in no layer'

exit $bad
