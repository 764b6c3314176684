#!/usr/bin/env bash
# Makes sure there is an Emscripten of at least 3.1.69 and prints the folder that holds its emcc.
#
# An emcc on PATH that is new enough is used as it is. Otherwise Debian 13's package is put into a private folder of a
# Debian 12 machine, together with Debian 12's own clang 19. Why so: Debian 12's own Emscripten is too old, npm has none
# with system libraries, and nothing but package registries is needed this way; every index is verified with Debian's
# archive keyring, the two large packages by SHA-256 too. The system's libc and apt state are not touched.
source "$(dirname "$0")/common.sh"

RECIPE=8
MIN_VERSION=3.1.69
EM_VERSION='3.1.69+dfsg-3'
EM_SHA256=d2ac788b952c56ab6736b4db2ac0825aa63cfb4c08b8abaefe19e324779d1b2d
BINARYEN_VERSION='120-4'
BINARYEN_SHA256=47be56009e56170f4338a0154fbff2028bd607bc3c8b6a5414658a985bef6470
SUITE=trixie
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
PREFIX="$SIEGEL_CACHE/emscripten-$RECIPE"
STAMP="$PREFIX/.ready"
WANT="recipe=$RECIPE em=$EM_VERSION binaryen=$BINARYEN_VERSION prefix=$PREFIX"

if command -v emcc >/dev/null; then
  have=$(emcc --version 2>/dev/null | sed -n '1s/.* \([0-9][0-9.]*[0-9]\).*/\1/p')
  if [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$MIN_VERSION" "$have" | sort -V | head -1)" = "$MIN_VERSION" ]; then
    dirname "$(command -v emcc)"; exit 0
  fi
  say "emcc on PATH is ${have:-of an unknown version}, $MIN_VERSION is needed: using a private one"
fi
ready() { [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$WANT" ] && [ -x /usr/bin/clang-19 ] && [ -x /usr/bin/wasm-ld-19 ]; }
if ready; then echo "$PREFIX/bin"; exit 0; fi

[ "$(dpkg --print-architecture)" = amd64 ] || die "this recipe is for amd64; put an emcc >= $MIN_VERSION on PATH instead"
[ -r "$KEYRING" ] || apt_install debian-archive-keyring
apt_install clang-19 lld-19 llvm-19 python3
command -v node >/dev/null || die "node is missing: Emscripten needs Node.js 18 or newer on PATH"
mkdir -p "$PREFIX"
rm -f "$STAMP"

# --- download ---------------------------------------------------------------------------------------------------------
# A private apt state with one source line. The mirror is the one this machine's own Debian comes from.
MIRROR=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
         awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
[ -n "$MIRROR" ] || die "apt names no Debian mirror: run apt-get update once"
A="$PREFIX/apt"
mkdir -p "$A/lists/partial" "$A/cache/archives/partial" "$A/debs"
echo "deb [arch=amd64 signed-by=$KEYRING] $MIRROR $SUITE main" >"$A/sources.list"
cat >"$A/apt.conf" <<CONF
Dir::Etc::sourcelist "$A/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$A/lists";
Dir::Cache "$A/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
APT::Sandbox::User "$(id -un)";
CONF
private_apt() { APT_CONFIG="$A/apt.conf" apt-get -q "$@"; }
say "Emscripten: package index of Debian $SUITE"
quiet "$A/update.log" private_apt update || die "the package index of Debian $SUITE could not be read or verified"
if grep -qE 'NO_PUBKEY|not signed|GPG error' "$A/update.log"; then die "the index of Debian $SUITE is not signed by a known key"; fi

say "Emscripten: $EM_VERSION, binaryen $BINARYEN_VERSION and the C library they run on (247 MB)"
cd "$A/debs"
rm -f libc6_*.deb libstdc++6_*.deb libgcc-s1_*.deb node-acorn_*.deb
good() { echo "$1  $(echo $2)" | sha256sum -c --status - 2>/dev/null; }  # $2 is a pattern, expanded here
need=("libc6/$SUITE" "libstdc++6/$SUITE" "libgcc-s1/$SUITE" "node-acorn/$SUITE")
good "$EM_SHA256" 'emscripten_*_all.deb' || { rm -f emscripten_*.deb; need+=("emscripten=$EM_VERSION"); }
good "$BINARYEN_SHA256" 'binaryen_*_amd64.deb' || { rm -f binaryen_*.deb; need+=("binaryen=$BINARYEN_VERSION"); }
quiet "$A/download.log" private_apt download "${need[@]}" || die "a package of Debian $SUITE did not come"
good "$EM_SHA256" 'emscripten_*_all.deb' || die "emscripten $EM_VERSION is not the pinned file"
good "$BINARYEN_SHA256" 'binaryen_*_amd64.deb' || die "binaryen $BINARYEN_VERSION is not the pinned file"
cd "$ROOT"

# --- unpack -----------------------------------------------------------------------------------------------------------
say "Emscripten: unpack"
T="$PREFIX/new"
rm -rf "$T"
mkdir -p "$T/pkg" "$T/libc" "$T/bin" "$T/binaryen/bin" "$T/binaryen/real" "$T/binaryen/lib"
# Left out: tests, position-independent and LTO libraries, the experimental file system (1.2 GB that nothing here uses).
dpkg-deb --fsys-tarfile "$A"/debs/emscripten_*.deb | tar -x -C "$T/pkg" --no-same-owner \
  --exclude='./usr/share/emscripten/test' --exclude='*/wasm32-emscripten/pic' --exclude='*/wasm32-emscripten/lto' \
  --exclude='*/wasm32-emscripten/lto-pic' --exclude='*/libwasmfs*' --exclude='./usr/share/man' --exclude='./usr/share/doc'
for p in binaryen node-acorn; do dpkg-deb -x "$A"/debs/${p}_*.deb "$T/pkg"; done
for p in libc6 libstdc++6 libgcc-s1; do dpkg-deb -x "$A"/debs/${p}_*.deb "$T/libc"; done
mv "$T/pkg/usr/share/emscripten" "$T/emscripten"
# An ES module of Emscripten imports acorn, and ES modules do not look at NODE_PATH: it has to lie beside it.
mkdir -p "$T/emscripten/node_modules"
mv "$T/pkg/usr/share/nodejs/acorn" "$T/emscripten/node_modules/acorn"
# 3.1.69 drops WASI's random_get from the JavaScript of an optimised link while the wasm still imports it; libsodium
# needs it. The list of WASI functions lacks the name.
sed -i "s/^    'fd_pwrite',$/&\n    'random_get',/" "$T/emscripten/tools/building.py"
grep -q "'random_get'" "$T/emscripten/tools/building.py" || die "the random_get repair does not fit this Emscripten"
mv "$T"/pkg/usr/bin/wasm* "$T/binaryen/real/"
find "$T/pkg/usr/lib" -name 'libbinaryen*.so*' -exec mv {} "$T/binaryen/lib/" \;
# binaryen's programs want a newer C library than Debian 12 has: they get their own, started through its own loader.
find "$T/libc" \( -name ld-linux-x86-64.so.2 -o -name libc.so.6 -o -name libm.so.6 -o -name libpthread.so.0 \
  -o -name libdl.so.2 -o -name librt.so.1 -o -name 'libstdc++.so.6*' -o -name libgcc_s.so.1 \) ! -path '*/gdb/*' \
  -exec cp -Pn {} "$T/binaryen/lib/" \;
[ -e "$T/binaryen/lib/ld-linux-x86-64.so.2" ] || die "Debian $SUITE's libc6 has no loader where it was expected"
for f in "$T"/binaryen/real/*; do
  cat >"$T/binaryen/bin/${f##*/}" <<'W'
#!/bin/sh
b=${0%/*}/..
exec "$b/lib/ld-linux-x86-64.so.2" --library-path "$b/lib" "$b/real/${0##*/}" "$@"
W
done
cat >"$T/emscripten/.emscripten" <<'CFG'
import os
_here = os.path.dirname(os.path.dirname(os.path.abspath(os.environ['EM_CONFIG'])))
LLVM_ROOT = '/usr/bin'
LLVM_ADD_VERSION = '19'
CLANG_ADD_VERSION = '19'
BINARYEN_ROOT = os.path.join(_here, 'binaryen')
NODE_JS = 'node'
FROZEN_CACHE = True  # the prebuilt libraries are complete: a missing one is an error, not a silent build
CFG
for n in emcc em++ emar emranlib emnm emcmake emconfigure; do
  cat >"$T/bin/$n" <<'W'
#!/bin/sh
EM_CONFIG=${0%/*}/../emscripten/.emscripten
export EM_CONFIG
exec "${0%/*}/../emscripten/${0##*/}" "$@"
W
done
chmod +x "$T"/bin/* "$T"/binaryen/bin/*
rm -rf "$T/pkg" "$T/libc" "$T/emscripten/docs" "$T/emscripten/media"

# --- prove it before it counts ----------------------------------------------------------------------------------------
say "Emscripten: self-check"
"$T/binaryen/bin/wasm-opt" --version | grep -q 'version 120' || die "binaryen does not run on its own C library"
C="$T/check"
mkdir -p "$C"
cat >"$C/probe.cc" <<'CC'
#include <emscripten/bind.h>
#include <wasi/api.h>
#include <wasm_simd128.h>
static int lanes(int a) { return wasm_i32x4_extract_lane(wasm_i32x4_add(wasm_i32x4_splat(a), wasm_i32x4_splat(2)), 3); }
static bool randomOk() { unsigned char b[64] = {}; if (__wasi_random_get(b, sizeof b)) return false; int z = 0; for (auto c : b) z += c == 0; return z < 16; }
EMSCRIPTEN_BINDINGS(probe) { emscripten::function("lanes", &lanes); emscripten::function("randomOk", &randomOk); }
CC
printf '%s\n' "import make from './probe.mjs'; const m = await make(); if (m.lanes(40) !== 42 || !m.randomOk()) process.exit(1);" >"$C/t.mjs"
"$T/bin/em++" -std=c++20 -O3 -msimd128 -lembind -fno-exceptions -fno-rtti -DEMSCRIPTEN_HAS_UNBOUND_TYPE_NAMES=0 "$C/probe.cc" \
  -o "$C/probe.mjs" -sMODULARIZE -sEXPORT_ES6 -sDYNAMIC_EXECUTION=0 -sENVIRONMENT=web,worker,node -sALLOW_MEMORY_GROWTH \
  || die "the probe does not compile"
node "$C/t.mjs" || die "the probe compiled, but gives wrong results"
rm -rf "$C"
for d in bin emscripten binaryen; do rm -rf "${PREFIX:?}/$d"; mv "$T/$d" "$PREFIX/$d"; done
rm -rf "$T" "$A"
echo "$WANT" >"$STAMP"
say "Emscripten: ready ($(du -sh "$PREFIX" | cut -f1))"
echo "$PREFIX/bin"
