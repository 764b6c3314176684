#!/usr/bin/env bash
# libsodium 1.0.22: fetched by name, version and SHA-256, built natively and for WebAssembly into the cache.
#   libsodium.sh EMSCRIPTEN_BIN
# The crate libsodium-sys-stable carries the author's release tarball; a published crate can neither change nor vanish.
source "$(dirname "$0")/common.sh"
EM_BIN=$1
CRATE=libsodium-sys-stable
CRATE_VERSION=1.24.3
CRATE_SHA256=1f55c1c508d31e2cf0a649c9c889e4bcf554cbfb2a6803f049f219784b044283
TARBALL_SHA256=eb9873cc5ccd7b26ef058394264663c99e9c047b423be1ffd484071774198f26
RECIPE=2
DIR="$SIEGEL_CACHE/libsodium-1.0.22-$RECIPE"

# The stamp names the compiler too: a library built by another Emscripten is not reused.
em_id=$("$EM_BIN/emcc" --version | head -1)
if [ "$(cat "$DIR/.native" 2>/dev/null)" = ok ] && [ "$(cat "$DIR/.wasm" 2>/dev/null)" = "$em_id" ]; then exit 0; fi
mkdir -p "$DIR"

if [ ! -f "$DIR/.source" ]; then
  command -v cargo >/dev/null || die "cargo is missing. libsodium's sources come as the crate $CRATE $CRATE_VERSION:
  install Rust 1.82 or newer (package rustup, or your distribution's cargo) and run this again."
  cargo info --help >/dev/null 2>&1 || die "this cargo has no 'info' command: Rust 1.82 or newer is needed"
  say "libsodium: crate $CRATE $CRATE_VERSION"
  # `cargo info` downloads this one crate into cargo's cache and none of its dependencies; nothing is compiled.
  (cd /tmp && quiet "$DIR/cargo.log" cargo info "$CRATE@$CRATE_VERSION") || die "crate $CRATE $CRATE_VERSION did not come"
  crate=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/cache" -name "$CRATE-$CRATE_VERSION.crate" | head -1)
  [ -n "$crate" ] || die "cargo kept no $CRATE-$CRATE_VERSION.crate"
  echo "$CRATE_SHA256  $crate" | sha256sum -c --status - || die "$CRATE-$CRATE_VERSION.crate is not the pinned file"
  tar -xzOf "$crate" "$CRATE-$CRATE_VERSION/LATEST.tar.gz" >"$DIR/libsodium.tar.gz"
  echo "$TARBALL_SHA256  $DIR/libsodium.tar.gz" | sha256sum -c --status - || die "libsodium's tarball is not the pinned one"
  rm -rf "$DIR/source"
  mkdir -p "$DIR/source"
  tar -xzf "$DIR/libsodium.tar.gz" --no-same-owner -C "$DIR/source" --strip-components=1
  rm "$DIR/libsodium.tar.gz"
  touch "$DIR/.source"
fi

# build NAME CONFIGURE...
build() {
  local name=$1 work="$DIR/work-$1"; shift
  say "libsodium: build for $name"
  rm -rf "$work"
  quiet "$DIR/$name.log" "$@" -G Ninja -S "$ROOT/cmake/libsodium" -B "$work" -DLIBSODIUM_SOURCE="$DIR/source" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="$OPTIMISE -DNDEBUG" || die "libsodium does not configure for $name"
  quiet "$DIR/$name.log" cmake --build "$work" || die "libsodium does not build for $name"
  rm -rf "${DIR:?}/$name"
  mkdir -p "$DIR/$name/lib"
  mv "$work/libsodium.a" "$DIR/$name/lib/"
  mv "$work/include" "$DIR/$name/include"
  rm -rf "$work"
}
[ "$(cat "$DIR/.native" 2>/dev/null)" = ok ] || { OPTIMISE=-O3 build native cmake -DCMAKE_C_COMPILER=clang-19; echo ok >"$DIR/.native"; }
[ "$(cat "$DIR/.wasm" 2>/dev/null)" = "$em_id" ] || {
  # Small: hashing happens when keys change, never once a frame.
  OPTIMISE=-Oz build wasm "$EM_BIN/emcmake" cmake -DCMAKE_C_FLAGS=-msimd128; echo "$em_id" >"$DIR/.wasm"; }
