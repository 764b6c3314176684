// A frame's way through all of it, in three steps, so that whoever measures can measure each:
//
//   see()      small planes and the model's picture
//   judge()    the network and the matte; left out when nothing moved, or every second time
//   compose()  the frame with another background
//
// Ownership: the object has room for one frame in and one out, I420; what comes in another layout is brought there by
// see(). Threads: one at a time. Errors: false, and then there is nothing to show. Cost: open(), load() and image()
// allocate, nothing else does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "siegel/matte/compositor.h"
#include "siegel/matte/segmenter.h"

namespace siegel::matte {

// As VideoFrame names them; the planes follow each other without gaps.
enum class Layout : std::uint8_t {
  kI420 = 0,
  kNv12 = 1,
  kRgba = 2,  // also RGBX
  kBgra = 3,  // also BGRX
};

enum class Judged : std::uint8_t {
  kCovered = 0,  // there is no matte: everything is blurred
  kFresh = 1,
  kReused = 2,  // nothing moved, or it was not this frame's turn
};

class Background {
 public:
  static constexpr std::size_t kMostEdge = Compositor::kMostWidth;

  // A model may be replaced at any time. Without the square one the wide one is used for all frames.
  WeightsError load(Model model, std::span<const std::uint8_t> weights);

  // See Segmenter::setExact.
  void setExact(bool exact);

  // For frames of this size. The matte is forgotten: everything is blurred until the next one.
  bool open(std::size_t width, std::size_t height);
  // Room for a frame in this layout; empty before open().
  std::span<std::uint8_t> input(Layout layout);
  // Bytes of an I420 frame without gaps, after compose().
  [[nodiscard]] std::span<const std::uint8_t> output() const { return output_; }

  // What lies in input(layout) is the frame.
  bool see(Layout layout, const Colors& colors, Turn turn);
  // `rarely`: the network looks at every second frame only.
  Judged judge(bool rarely = false);
  bool compose(Effect effect);
  // Everything is blurred until the next matte: the picture may be of another place now (camera, muting, a failure).
  void cover();

  Compositor& compositor() { return compositor_; }

  // For tests: the network by itself, from picture() to person(). false: this model is not loaded.
  std::span<float> picture() { return picture_; }
  std::span<float> person() { return person_; }
  bool run(Model model);

 private:
  Compositor compositor_;
  Segmenter wide_;
  Segmenter square_;
  Segmenter* chosen_ = nullptr;
  std::size_t width_ = 0;
  std::size_t height_ = 0;
  std::vector<std::uint8_t> frame_;   // I420
  std::vector<std::uint8_t> other_;   // as it came
  std::vector<std::uint8_t> output_;  // I420
  std::vector<float> picture_;
  std::vector<float> person_;
  std::size_t reused_ = 0;
};

}  // namespace siegel::matte
