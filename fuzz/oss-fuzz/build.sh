#!/bin/bash -eu
# Build the fuzz targets for OSS-Fuzz into $OUT, with its compilers, flags and fuzzing engine.
#
#   CC, CXX, CFLAGS, CXXFLAGS   the compilers and the flags for all code
#   LIB_FUZZING_ENGINE          the fuzzing engine to link with
#   SRC, WORK, OUT              source ($SRC/mqtt-router), build and output directories
#
# Also copies the corpus (TARGET_seed_corpus.zip), options and dictionary of each target, and the
# shared libraries it needs, which are not installed on the machines that run the targets.
source=${SRC:?}/mqtt-router
build=${WORK:?}/mqtt-router
export CC CXX CFLAGS CXXFLAGS

cmake -S "$source" -B "$build" -G Ninja -DFUZZ=ON -DFUZZ_FLAGS= -DFUZZ_LINKER=CXX \
    "-DFUZZ_ENGINE=${LIB_FUZZING_ENGINE:?}" '-DCMAKE_BUILD_RPATH=$ORIGIN/lib' \
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags
cmake --build "$build" --target $(basename -s .c "$source"/fuzz/targets/fuzz_*.c)

mkdir -p "${OUT:?}/lib"
cp "$source"/fuzz/dict/*.dict "$OUT"
for file in "$source"/fuzz/targets/fuzz_*.c; do
    name=$(basename "$file" .c)
    target=${name#fuzz_}
    cp "$build/fuzz/$name" "$OUT/"
    [ ! -f "$source/fuzz/options/$target.options" ] ||
        cp "$source/fuzz/options/$target.options" "$OUT/$name.options"
    rm -f "$OUT/${name}_seed_corpus.zip"
    (cd "$source/fuzz/corpus/$target" && zip -q -r "$OUT/${name}_seed_corpus.zip" .)
    ldd "$build/fuzz/$name"
done | awk '/=> \// { print $3 }' | sort -u | while read -r library; do
    case ${library##*/} in
    # Do not copy these: they are installed everywhere, and must match the loader of the machine.
    libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | libresolv.so* | libgcc_s.so*) ;;
    *) cp -L "$library" "$OUT/lib/" ;;
    esac
done
