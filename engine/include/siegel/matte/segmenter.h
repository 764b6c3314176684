// Where in a picture people are: MediaPipe's selfie segmentation (Apache-2.0, Google), a MobileNetV3 with 106,401
// weights, by our own kernels. Two models of one network: 256 x 144 for pictures that are wider than high, 256 x 256
// for others.
//
// In: red, green, blue of 0..1 as floats, row by row, the whole picture stretched to the model's size. Out: for each
// pixel how likely it shows a person, 0..1. A picture is taken by itself; what smooths over time comes after it.
//
// Ownership: the weights file belongs to the caller and may go after load(). Threads: one object, one thread at a time.
// Errors: WeightsError of load; before it succeeded run() says 0 everywhere, which is "nobody": callers show no picture
// then. Cost: 29.6 million multiplications for the wide model, 52.6 for the square one; 3 to 5 MB, allocated by load().
// Source: the operators of selfie_segmentation_landscape.tflite of the npm package @mediapipe/selfie_segmentation. What
// is put in another order is the same sum: 1x1 convolutions before resizing, gates multiplied into weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "siegel/weights.h"

namespace siegel::matte {

enum class Model : std::uint8_t {
  kLandscape = 0,  // 256 x 144
  kSquare = 1,     // 256 x 256
};

class Segmenter {
 public:
  Segmenter();
  ~Segmenter();
  Segmenter(const Segmenter&) = delete;
  Segmenter& operator=(const Segmenter&) = delete;

  // The file of tools/matte/model.mjs for this model. REQUIRES: `weights` aligned to 16. After an error it is not
  // ready.
  WeightsError load(Model model, std::span<const std::uint8_t> weights);
  [[nodiscard]] bool ready() const;
  // 1x1 convolutions with floats, not with whole numbers of 12 bits (weights) and 13 to 16 (what goes in, with a scale
  // for each map): slower, and closer to the published model by some thousandths.
  void setExact(bool exact);

  // Of the model that was loaded last.
  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::size_t height() const;

  // REQUIRES: width() * height() * 3 floats in, width() * height() out. Nothing is allocated.
  void run(std::span<const float> picture, std::span<float> person);

 private:
  class Network;
  std::unique_ptr<Network> network_;
};

}  // namespace siegel::matte
