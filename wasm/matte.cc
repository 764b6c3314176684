// The module that looks for people in pictures: plain exports, no imports, so that it runs in a worker, in Node and
// anywhere. Its memory: the weights file is written to matte_weights() before matte_load(), a picture to
// matte_picture() before matte_run().
#include <emscripten/emscripten.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "siegel/matte/segmenter.h"

using siegel::WeightsError;
using siegel::matte::Model;
using siegel::matte::Segmenter;

namespace {

constexpr std::size_t kAlign = 16;
constexpr unsigned kModels = 2;

Segmenter& segmenter() {
  static Segmenter one;
  return one;
}
void* weights = nullptr;
std::vector<float> picture;
std::vector<float> person;

}  // namespace

extern "C" {

// Room for the weights file, until it is loaded.
EMSCRIPTEN_KEEPALIVE void* matte_weights(std::size_t size) {
  std::free(weights);
  weights = std::aligned_alloc(kAlign, (size + kAlign - 1) / kAlign * kAlign);
  return weights;
}
// A WeightsError.
EMSCRIPTEN_KEEPALIVE int matte_load(unsigned model, std::size_t size) {
  if (weights == nullptr || model >= kModels) return static_cast<int>(WeightsError::kFormat);
  const WeightsError error =
      segmenter().load(static_cast<Model>(model), {static_cast<const std::uint8_t*>(weights), size});
  std::free(weights);
  weights = nullptr;
  if (error == WeightsError::kNone) {
    const std::size_t pixels = segmenter().width() * segmenter().height();
    picture.assign(3 * pixels, 0.0F);
    person.assign(pixels, 0.0F);
  }
  return static_cast<int>(error);
}
EMSCRIPTEN_KEEPALIVE float* matte_picture() { return picture.data(); }
EMSCRIPTEN_KEEPALIVE float* matte_person() { return person.data(); }
EMSCRIPTEN_KEEPALIVE void matte_run() { segmenter().run(picture, person); }

}  // extern "C"
