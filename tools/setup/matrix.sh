#!/usr/bin/env bash
# The servers of a Matrix call, for tests and for ./start matrix: LiveKit's media server out of the Go module proxy and
# Synapse out of PyPI, both pinned by checksum, both into the cache. Nothing is started here.
#   tools/setup/matrix.sh      prints the folder: FOLDER/livekit-server and FOLDER/synapse/bin/python
source "$(dirname "$0")/common.sh"

RECIPE=1
LIVEKIT=github.com/livekit/livekit-server
LIVEKIT_VERSION=v1.13.5
LIVEKIT_SUM='h1:HWfxfKvi5k1czMVqLV/htGmPgEBhrqHMxpfyMvfhyVo='
LIVEKIT_GO=1.26.0
DIR="$SIEGEL_CACHE/matrix-$RECIPE"
LIST="$ROOT/tools/setup/synapse.txt"
mkdir -p "$DIR"

livekit_want="$LIVEKIT $LIVEKIT_VERSION $LIVEKIT_SUM"
synapse_want=$(sha256sum <"$LIST")
livekit_ready() { [ "$(cat "$DIR/.livekit" 2>/dev/null)" = "$livekit_want" ] && [ -x "$DIR/livekit-server" ]; }
synapse_ready() { [ "$(cat "$DIR/.synapse" 2>/dev/null)" = "$synapse_want" ] && [ -x "$DIR/synapse/bin/python" ]; }
if livekit_ready && synapse_ready; then echo "$DIR"; exit 0; fi

# One at a time, also when it is not called by setup.sh, which holds the other lock.
exec 8>"$DIR/.lock"
flock -n 8 || { say "waiting for another set-up of the Matrix servers"; flock 8; }

if ! synapse_ready; then
  rm -rf "$DIR/.synapse" "$DIR/synapse"
  [ "$(dpkg --print-architecture)" = amd64 ] || die "the list of Synapse's wheels is for amd64"
  apt_install python3 python3-venv
  PYTHON=/usr/bin/python3.11
  [ -x "$PYTHON" ] || die "Synapse's wheels are pinned for Python 3.11 (Debian 12's own), and $PYTHON is not there.
  On another system: make a list for its Python as tools/setup/synapse.txt says, and name that Python here."
  say "Synapse $(sed -n 's/^matrix-synapse==\([^ ]*\).*/\1/p' "$LIST"): $(grep -c == "$LIST") packages from PyPI"
  quiet "$DIR/venv.log" "$PYTHON" -m venv "$DIR/synapse" || die "python3 -m venv failed (log above)"
  quiet "$DIR/pip.log" "$DIR/synapse/bin/pip" install --disable-pip-version-check --no-deps --require-hashes -r "$LIST" ||
    die "pip could not install Synapse (log above). Is a package index reachable?"
  "$DIR/synapse/bin/pip" --disable-pip-version-check check >&2 || die "Synapse's packages do not fit each other"
  "$DIR/synapse/bin/python" -c 'import synapse.app.homeserver' || die "Synapse is installed, but does not load"
  echo "$synapse_want" >"$DIR/.synapse"
fi

if ! livekit_ready; then
  rm -f "$DIR/.livekit" "$DIR/livekit-server"
  command -v go >/dev/null || die "go is missing: LiveKit's server is built from source with Go $LIVEKIT_GO or newer.
  Any Go from 1.21 on fetches the one it needs by itself; Debian 12's own (1.19) is too old for that."
  have=$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
  newer() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -1)" = "$1" ]; }  # newer MIN HAVE
  newer 1.21 "$have" || die "go is $have: LiveKit's server needs Go $LIVEKIT_GO, and only Go 1.21 and newer can fetch it by itself.
  Put a newer go first on PATH."
  # A Go that is new enough stays as it is; an older one may fetch a toolchain through the module proxy.
  newer "$LIVEKIT_GO" "$have" || export GOTOOLCHAIN=auto
  # Module cache and build cache of its own: 2 GB that nothing needs afterwards.
  T="$DIR/go"
  chmod -R u+w "$T" 2>/dev/null || true
  rm -rf "$T"
  mkdir -p "$T"
  export GOPATH="$T/path" GOCACHE="$T/cache" GOBIN="$T/bin" GOFLAGS='-modcacherw -buildvcs=false' CGO_ENABLED=0 GOWORK=off
  say "LiveKit server $LIVEKIT_VERSION: sources"
  sum=$(cd "$T" && go mod download -json "$LIVEKIT@$LIVEKIT_VERSION" 2>"$DIR/go.log" | sed -n 's/^\t"Sum": "\(.*\)".*/\1/p') || true
  [ -n "$sum" ] || { tail -5 "$DIR/go.log" >&2; die "$LIVEKIT $LIVEKIT_VERSION did not come. Is a Go module proxy reachable?"; }
  [ "$sum" = "$LIVEKIT_SUM" ] || die "$LIVEKIT $LIVEKIT_VERSION is not the pinned source ($sum)"
  say "LiveKit server $LIVEKIT_VERSION: compile (4 to 8 minutes on two cores)"
  (cd "$T" && quiet "$DIR/go.log" go install -trimpath -ldflags='-s -w' "$LIVEKIT/cmd/server@$LIVEKIT_VERSION") ||
    die "go install of LiveKit's server failed (log above)"
  "$T/bin/server" --version | grep -qF "${LIVEKIT_VERSION#v}" || die "LiveKit's server is built, but does not run"
  mv "$T/bin/server" "$DIR/livekit-server"
  rm -rf "$T"
  echo "$livekit_want" >"$DIR/.livekit"
fi
say "Matrix servers: ready ($(du -sh "$DIR" | cut -f1))"
echo "$DIR"
