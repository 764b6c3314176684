// Arithmetic on planes of pictures: to a small size, from a small size, blurs. Rows lie `stride` apart where one is
// named, else they follow each other. No allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "simd/f32x4.h"
#include "simd/i16x8.h"

namespace siegel::matte {

struct Extent {
  std::size_t width = 0;
  std::size_t height = 0;
  [[nodiscard]] std::size_t area() const { return width * height; }
};

// Means of factor x factor pixels; at the right and at the bottom of those that are there. `sums`: room for in.width.
void reduce(const std::uint8_t* in, std::size_t stride, Extent size, std::size_t factor, std::uint16_t* sums,
            std::uint8_t* out);

// Where a pixel of an axis comes from: two neighbours as offsets, and the share of the second.
struct Tap {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  float share = 0;
};
// `to` pixels out of `from`, each `step` apart, the other way round if `reversed`. Middles of pixels lie at halves.
void makeAxis(std::size_t from, std::size_t to, std::size_t step, bool reversed, std::span<Tap> axis);

template <typename Value>
float sample(const Value* plane, const Tap& x, const Tap& y) {
  const auto at = [&](std::uint32_t column, std::uint32_t row) { return static_cast<float>(plane[column + row]); };
  const float above = at(x.low, y.low) + (at(x.high, y.low) - at(x.low, y.low)) * x.share;
  const float below = at(x.low, y.high) + (at(x.high, y.high) - at(x.low, y.high)) * x.share;
  return above + (below - above) * y.share;
}

// Box filter of 2 * radius + 1 in both directions, edges continued. `in` may be `out`. REQUIRES: width a multiple of 4;
// `room` for one plane, `line` for one row and 12 more.
void box(const float* in, Extent size, std::size_t radius, float* room, float* line, float* out);

// Rows of a small plane `factor` times as large, both ways, for one row of the result. `wide` has room for
// factor * (width + 1) + 32.
class Enlarger {
 public:
  // REQUIRES: factor 1..28.
  explicit Enlarger(std::size_t factor = 1);
  // Row y of the result of a plane of `size`. `line`: room for width + 2.
  void row(const std::int16_t* in, Extent size, std::size_t y, std::int16_t* line, std::int16_t* wide) const;

 private:
  static constexpr std::size_t kMost = 32;
  std::size_t factor_;
  alignas(16) std::array<std::int16_t, kMost> shares_{};  // of the next one, 15 bits
};

}  // namespace siegel::matte
