#!/usr/bin/env bash
# The bots of ./bench livekit (tests/bench/livekit/publisher): LiveKit's Go SDK out of the module proxy, every module
# checked against go.sum, compiled into the cache.
#   tools/setup/publisher.sh      prints the program's path
source "$(dirname "$0")/common.sh"

SOURCE="$ROOT/tests/bench/livekit/publisher"
DIR="$SIEGEL_CACHE/publisher"
want=$(cat "$SOURCE"/{main.go,go.mod,go.sum} | sha256sum)
ready() { [ "$(cat "$DIR/.made" 2>/dev/null)" = "$want" ] && [ -x "$DIR/publisher" ]; }
if ! ready; then
  mkdir -p "$DIR"
  exec 8>"$DIR/.lock"
  flock 8
fi
if ! ready; then
  rm -f "$DIR/.made" "$DIR/publisher"
  command -v go >/dev/null || die "go is missing: the benchmark's bots are built from source, as LiveKit's server is"
  # Module cache and build cache of its own: 1 GB that nothing needs afterwards.
  T="$DIR/go"
  chmod -R u+w "$T" 2>/dev/null || true
  rm -rf "$T"
  export GOPATH="$T/path" GOCACHE="$T/cache" GOFLAGS='-modcacherw -buildvcs=false -mod=readonly' CGO_ENABLED=0 GOWORK=off
  # go.mod says which Go; one that is older may fetch it through the module proxy.
  export GOTOOLCHAIN=auto
  say "bots of the LiveKit benchmark: fetch and compile (2 to 4 minutes on two cores)"
  (cd "$SOURCE" && quiet "$DIR/go.log" go build -trimpath -ldflags='-s -w' -o "$DIR/publisher" .) ||
    die "go build of the benchmark's bots failed (log above). Is a Go module proxy reachable?"
  rm -rf "$T"
  echo "$want" >"$DIR/.made"
fi
echo "$DIR/publisher"
