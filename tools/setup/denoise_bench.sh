#!/usr/bin/env bash
# For ./bench denoise and ./bench denoise-quality only: the peers as npm publishes them, what scores are computed with, and
# recorded speech, noise and music out of Debian packages. Everything by name, version and hash, unpacked and not installed,
# into the cache (0.8 GB with "quality"); nothing of it is shipped or goes into the repository. Prints the folder.
#   tools/setup/denoise_bench.sh peers      FOLDER/peers
#   tools/setup/denoise_bench.sh quality    that, FOLDER/python, FOLDER/dnsmos.onnx, FOLDER/debian/<package>
source "$(dirname "$0")/common.sh"
WHAT=${1:-quality}
case $WHAT in peers | quality) ;; *) die "usage: tools/setup/denoise_bench.sh peers|quality" ;; esac

DIR=$SIEGEL_CACHE/denoise-bench-1
LIST="$ROOT/tools/setup/denoise_bench.txt"
mkdir -p "$DIR/peers" "$DIR/debian"
exec 8>"$DIR/.lock"
flock -n 8 || { say "waiting for another set-up of this benchmark"; flock 8; }

peer() { npm_unpack "$DIR/peers/$1" "$2" "$3" "$4" peer; }
peer jitsi @jitsi/rnnoise-wasm 0.2.1 \
  iEj77www43pS2Yq+cfLZb+hFuI7L5ccisBzzPMcOjjLsG4/LAlkD1CY58/8gc84nHdLBGmD/OPIWGnvYnXvB0A==
peer shiguredo @shiguredo/rnnoise-wasm 2025.1.5 \
  9YJxzzHftlW936E5z9aEKK2CrPfUgc3HgZ2keyQ5e2Pb5bx+6tykYQ2Gyudvxd7Sxmlnar7SemDMFfx0OuVuGA==
peer sapphi @sapphi-red/web-noise-suppressor 0.4.1 \
  hy2GnF079+zi4n9BZUf+GGIQ1IofApAk6rgGMyMQ3soHfz/GKu1pcCsmePyIHVvUuv1LrFudw9BmmBqoOKay5w==
peer pexip @pexip/denoise 16.4.0 \
  5lYH7mRMyeRaT0JelXa3kYyEt2m/2S31+745J+iauTWGcdxBdO0Txz+jav1r0EucQChs+QXMPagSqAdb6CViuA==
peer timephy @timephy/rnnoise-wasm 1.0.0 \
  zzRdFyALbhaNIuEo3LKazPWxabatbPxkaBrHzRjGDlVHX2dFklh68HUENHlvHkKsq+OOQSC1ag5sGPDMDgg2CA==
peer echogarden @echogarden/rnnoise-wasm 0.2.0 \
  dND0FKFaLxyqa+rdgcMWc7A3Zh9pu7zzetYd60+2nbwnKL/8HtUXFGf7GAJ4krwTOgtSLETH9REF39gOa4T5UQ==
if [ "$WHAT" = peers ]; then echo "$DIR"; exit 0; fi

# --- What scores are computed with -----------------------------------------------------------------------------------
PESQ='pesq==0.0.4 --hash=sha256:b724b28f73fb638522982bd68e8c3c0957e2f45210639a460233b17aa7fc890b'
MOS='speechmos==0.0.1.1 --hash=sha256:31c4c9d3234f6ee10102edff74333014c50006a3f389daf7ecacae34e68ebbf7'
MODEL_SUM=269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd
want=$({ cat "$LIST"; echo "$PESQ"; } | sha256sum)
if [ "$(cat "$DIR/.python" 2>/dev/null)" != "$want" ] || [ ! -x "$DIR/python/bin/python" ]; then
  rm -rf "$DIR/.python" "$DIR/python"
  [ "$(dpkg --print-architecture)" = amd64 ] || die "the list of Python wheels is for amd64"
  apt_install python3 python3-venv python3-dev gcc libc6-dev
  PYTHON=/usr/bin/python3.11
  [ -x "$PYTHON" ] || die "the wheels are pinned for Python 3.11 (Debian 12's own), and $PYTHON is not there"
  say "PESQ, STOI and onnxruntime from PyPI"
  quiet "$DIR/venv.log" "$PYTHON" -m venv "$DIR/python" || die "python3 -m venv failed (log above)"
  pip=("$DIR/python/bin/pip" install --disable-pip-version-check --no-deps --require-hashes)
  quiet "$DIR/pip.log" "${pip[@]}" -r "$LIST" || die "pip could not install the list (log above)"
  echo "$PESQ" >"$DIR/pesq.txt"
  quiet "$DIR/pip.log" "${pip[@]}" --no-build-isolation -r "$DIR/pesq.txt" || die "PESQ could not be built (log above)"
  echo "$want" >"$DIR/.python"
fi
if [ ! -f "$DIR/dnsmos.onnx" ]; then
  say "DNSMOS P.835: speechmos 0.0.1.1"
  temporary=$(mktemp -d "$DIR/.mos.XXXXXX")
  echo "$MOS" >"$temporary/requirements.txt"
  quiet "$DIR/pip.log" "$DIR/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --dest "$temporary" --requirement "$temporary/requirements.txt" ||
    die "speechmos 0.0.1.1 could not be fetched (log above)"
  "$DIR/python/bin/python" -m zipfile -e "$temporary"/*.whl "$temporary/wheel" >/dev/null
  model=$temporary/wheel/speechmos/dnsmos_models/sig_bak_ovr.onnx
  echo "$MODEL_SUM  $model" | sha256sum --check --quiet || die "sig_bak_ovr.onnx has another content than expected: not used"
  mv "$model" "$DIR/dnsmos.onnx"
  rm -rf "$temporary"
fi

# --- Speech, noise, music ----------------------------------------------------------------------------------------------
# sounds PACKAGE VERSION SHA256
sounds() {
  local package=$1 version=$2 want=$3 folder=$DIR/debian/$1 temporary
  [ "$(cat "$folder/.complete" 2>/dev/null)" = "$want" ] && return 0
  say "sounds: $package $version"
  temporary=$(mktemp -d "$DIR/.sounds.XXXXXX")
  # Debian's downloads run as another user where they can.
  chmod 755 "$temporary"
  if ! (cd "$temporary" && quiet "$DIR/apt.log" apt-get -q download "$package=$version") 2>/dev/null; then
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    quiet "$DIR/apt.log" "${sudo[@]}" apt-get -q update || die "apt-get update failed (log above)"
    (cd "$temporary" && quiet "$DIR/apt.log" apt-get -q download "$package=$version") ||
      die "$package $version could not be fetched (log above). It is a package of Debian 12."
  fi
  echo "$want  $(echo "$temporary"/*.deb)" | sha256sum --check --quiet ||
    die "$package $version has another content than expected: not used"
  rm -rf "$folder"
  dpkg-deb -x "$temporary"/*.deb "$folder"
  rm -rf "$temporary"
  echo "$want" >"$folder/.complete"
}
sounds tuxpaint-stamps-default 2022.06.04-1 6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34
sounds ktuberling-data 4:22.12.3-1 fba44c875bfa31ea488dadd9263e87a4dcaea0bd47d28817f6c0dc6d2af970ed
sounds fillets-ng-data-cs 1.0.1-1.1 3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14
sounds asterisk-core-sounds-en-wav 1.6.1-1 2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d
sounds asterisk-core-sounds-ru-wav 1.6.1-1 ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201
sounds bucklespring-data 1.4.0-2 2add9f5583b3afc9c0b528066f4578baff930b74d4a94c8a25d103ef79a444e5
sounds openttd-opensfx 1.0.3-2 2898b4677a3caccc4abc08fb4cf83319047b5a04729291deb5c77a8cd713c006
sounds sonic-pi-samples 3.2.2~repack-8 25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d
echo "$DIR"
