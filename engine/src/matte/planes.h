// Arithmetic on planes of pictures: to a small size, from a small size, blurs. Rows lie `stride` apart where one is
// named, else they follow each other. No allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "simd/f32x4.h"

namespace siegel::matte {

using Short8 = std::int16_t __attribute__((vector_size(16)));

using UShort8 = std::uint16_t __attribute__((vector_size(16)));

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

// a * b / 32768, rounded.
inline Short8 multiply15(Short8 a, Short8 b);

inline Short8 get8(const std::int16_t* from) {
  Short8 x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}
inline void put8(std::int16_t* to, Short8 x) { __builtin_memcpy(to, &x, sizeof x); }
using Byte8 = std::uint8_t __attribute__((vector_size(8)));
inline Short8 widen8(const std::uint8_t* from) {
  Byte8 x;
  __builtin_memcpy(&x, from, sizeof x);
  return __builtin_convertvector(x, Short8);
}
// The lower byte of each.
inline void narrow8(std::uint8_t* to, Short8 x) {
  const Byte8 bytes = __builtin_convertvector(x, Byte8);
  __builtin_memcpy(to, &bytes, sizeof bytes);
}
inline Short8 splat8(std::int16_t x) { return Short8{x, x, x, x, x, x, x, x}; }
inline Short8 least(Short8 a, Short8 b) { return a < b ? a : b; }
inline Short8 most(Short8 a, Short8 b) { return a > b ? a : b; }

}  // namespace siegel::matte

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
inline siegel::matte::Short8 siegel::matte::multiply15(Short8 a, Short8 b) {
  return Short8(wasm_i16x8_q15mulr_sat(v128_t(a), v128_t(b)));
}
#else
inline siegel::matte::Short8 siegel::matte::multiply15(Short8 a, Short8 b) {
  Short8 result{};
  for (int lane = 0; lane < 8; ++lane) {
    const std::int32_t product = (std::int32_t{a[lane]} * b[lane] + 0x4000) >> 15;
    result[lane] = static_cast<std::int16_t>(product > 0x7FFF ? 0x7FFF : product);
  }
  return result;
}
#endif
