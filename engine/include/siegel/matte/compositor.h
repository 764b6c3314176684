// Puts another background behind people: the room blurred without the people's colours in it, or a picture. Works in
// YUV (I420) throughout; every step but the last works on planes of some 320 pixels.
//
//   frame --reduce--> small planes --> picture() --> Segmenter --> person, 0..1
//   person --(steadied over time, where it is unsure and nothing moves)--> guided filter along the luma's edges
//   out = alpha * frame + (1 - alpha) * background, alpha = a * Y + b with a and b from the small planes
//
// Fails closed: until matte() was given something for this size, and after cover(), compose() blurs the whole frame so
// that nothing of the room is left. Whoever has no matte never gets a way to the frame as it is.
//
// Shapes: I420, `stride` bytes from row to row, width and height of what is visible, 16 x 16 to 4096 x 4096; chroma
// planes have (width + 1) / 2 by (height + 1) / 2. Ownership: planes belong to the caller. Threads: one object, one
// thread at a time. Errors: open() says false. Cost: open() and image() allocate, nothing else does; see
// docs/background.md. Sources: guided filter: He, Sun, Tang, TPAMI 2013 and 2015 (fast guided filter).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace siegel::matte {

struct ConstFrame {
  std::array<const std::uint8_t*, 3> planes{};  // Y, U, V
  std::array<std::size_t, 3> strides{};
};
struct Frame {
  std::array<std::uint8_t*, 3> planes{};
  std::array<std::size_t, 3> strides{};
};

// How numbers mean colours.
struct Colors {
  bool fullRange = false;  // 0..255, not 16..235
  bool bt709 = false;      // not BT.601
};

// What is done to show a frame upright: turned clockwise.
enum class Turn : std::uint8_t { kNone = 0, kQuarter = 1, kHalf = 2, kThreeQuarters = 3 };
// Its rows are columns when it is shown.
constexpr bool swapsSides(Turn turn) { return turn == Turn::kQuarter || turn == Turn::kThreeQuarters; }

enum class Effect : std::uint8_t {
  kBlurLight = 0,
  kBlurStrong = 1,
  kImage = 2,  // what image() was given; without it as kBlurStrong
};

class Compositor {
 public:
  static constexpr std::size_t kLeast = 16;
  static constexpr std::size_t kMostWidth = 4096;
  static constexpr std::size_t kMostHeight = 4096;

  Compositor();
  ~Compositor();
  Compositor(const Compositor&) = delete;
  Compositor& operator=(const Compositor&) = delete;

  // For frames of this size; forgets everything that was seen. false: no such size, and nothing can be composed.
  bool open(std::size_t width, std::size_t height);

  // A frame comes. Its planes must stay as they are until compose().
  void frame(const ConstFrame& in, const Colors& colors, Turn turn);
  // The frame for the Segmenter, upright, stretched: red, green, blue. REQUIRES: 3 * width * height floats, and both at
  // most 256, and width a multiple of 4.
  void picture(std::size_t width, std::size_t height, std::span<float> rgb);
  // How much changed since the picture before, as the most that the mean of any 8 x 8 pixels did, 0..1; 1 for the
  // first. After picture().
  [[nodiscard]] float change() const;
  // What the Segmenter says of it. `steady`: mix with what it said before where it is unsure.
  void matte(std::size_t width, std::size_t height, std::span<const float> person, bool steady = true);
  // Forgets the matte: everything is blurred until there is one again.
  void cover();
  [[nodiscard]] bool covered() const;

  // The background for kImage, in colours of 0..255 with alpha ignored; it is cut to the frame's shape and kept.
  // false: no such size.
  bool image(std::span<const std::uint8_t> rgba, std::size_t width, std::size_t height);

  // REQUIRES: frame() was given one. `out` has planes of the same size and is not `in`.
  void compose(Effect effect, const Frame& out);

  // Alpha of the last compose(), 0..255, width x height; for those who want to see it.
  void showMatte(std::span<std::uint8_t> out) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace siegel::matte
