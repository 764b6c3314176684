#!/usr/bin/env bash
# What the Jitsi servers and the genuine clients for tests need: Debian's Prosody; two client packages from npm as tarballs,
# checked by hash and unpacked without their dependencies (they name some by git address; the bundles need none). For tests
# only: nothing of them is shipped. Prints the folder with the clients.
source "$(dirname "$0")/common.sh"
apt_install prosody
# Debian starts one with its own configuration; ours run by themselves.
if command -v systemctl >/dev/null; then systemctl disable --now prosody >/dev/null 2>&1 || true; fi

CLIENTS=$SIEGEL_CACHE/jitsi-clients-1
mkdir -p "$CLIENTS"

# fetch NAME PACKAGE VERSION SHA512(base64)
fetch() {
  local name=$1 package=$2 version=$3 want=$4 folder=$CLIENTS/$1 temporary
  [ -f "$folder/.complete" ] && return 0
  say "Jitsi client for tests: $package $version"
  temporary=$(mktemp -d "$CLIENTS/.fetch.XXXXXX")
  (cd "$temporary" && quiet "$SIEGEL_CACHE/jitsi-clients.log" npm pack --silent "$package@$version") ||
    die "$package $version could not be fetched (log above)"
  local have
  have=$(openssl dgst -sha512 -binary "$temporary"/*.tgz | openssl base64 -A)
  [ "$have" = "$want" ] || die "$package $version has another content than expected: not used"
  tar -xzf "$temporary"/*.tgz -C "$temporary"
  rm -rf "$folder"
  mv "$temporary/package" "$folder"
  rm -rf "$temporary"
  touch "$folder/.complete"
}

fetch lyno @lyno/lib-jitsi-meet 2.6726.2 \
  cTrKBgy4ZHD6vyFTOAOx5ylyzjWs3ft6MLhmchu9zRq7uLr8omD4lE2fmSfoyoSqMjFc/3sU9XLYXiJ21hqQuw==
fetch solyd @solyd/lib-jitsi-meet 2.7001.1 \
  4fobgOgvRF+CxlWuatYewp2SxImAcKr0syzJIimnL39Thw/M1SAlmhyQk9xQf++SsXLGuwm03m2u4p+nlzfGVg==
echo "$CLIENTS"
