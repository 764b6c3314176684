#!/usr/bin/env bash
# What the Jitsi servers and the genuine clients for tests need: Debian's Prosody; two client packages from npm as tarballs,
# checked by hash and unpacked without their dependencies (they name some by git address; the bundles need none). For tests
# only: nothing of them is shipped. Prints the folder with the clients.
source "$(dirname "$0")/common.sh"
apt_install prosody
# Debian starts one with its own configuration; ours run by themselves.
if command -v systemctl >/dev/null; then systemctl disable --now prosody >/dev/null 2>&1 || true; fi

CLIENTS=$SIEGEL_CACHE/jitsi-clients-2

npm_unpack "$CLIENTS/lyno" @lyno/lib-jitsi-meet 2.6726.2 \
  cTrKBgy4ZHD6vyFTOAOx5ylyzjWs3ft6MLhmchu9zRq7uLr8omD4lE2fmSfoyoSqMjFc/3sU9XLYXiJ21hqQuw== 'Jitsi client for tests'
npm_unpack "$CLIENTS/solyd" @solyd/lib-jitsi-meet 2.7001.1 \
  4fobgOgvRF+CxlWuatYewp2SxImAcKr0syzJIimnL39Thw/M1SAlmhyQk9xQf++SsXLGuwm03m2u4p+nlzfGVg== 'Jitsi client for tests'
echo "$CLIENTS"
