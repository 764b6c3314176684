#include "denoise/blocks.h"

#include <algorithm>
#include <array>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

namespace siegel::denoise {

bool BlockMatrix::sound(std::size_t inputs) const {
  std::size_t total = 0;
  for (std::size_t group = 0; group < rows / kRows; ++group) total += counts[group];
  if (total != blocks || inputs > kMostInputs) return false;
  return std::ranges::all_of(std::span(columns, blocks), [&](std::uint16_t column) {
    return column % kColumns == 0 && column + kColumns <= inputs;
  });
}

void BlockMatrix::multiply(std::span<const float> x, float* out) const {
  // |sum| <= 384 * 127 * 128 < 2^31
  alignas(16) std::array<std::int16_t, kMostInputs> rounded;
  for (std::size_t i = 0; i < x.size(); i += kLanes) {
    // Damaged weights may give anything: what is no number becomes the least. Shifted, so that cutting off is rounding
    // down.
    const F4 scaled = smaller(larger(splat(127) * get4(&x[i]), splat(-127)), splat(127)) + splat(128.5F);
    const I4 whole = __builtin_convertvector(scaled, I4) - 128;
    for (std::size_t lane = 0; lane < kLanes; ++lane) rounded[i + lane] = static_cast<std::int16_t>(whole[lane]);
  }
  const std::int8_t* w = values;
  const std::uint16_t* column = columns;
  for (std::size_t group = 0; group < rows / kRows; ++group) {
    const std::size_t first = group * kRows;
#ifdef __wasm_simd128__
    v128_t low = wasm_i32x4_splat(0);
    v128_t high = low;
    for (std::size_t block = counts[group]; block > 0; --block, w += kBlock, ++column) {
      const v128_t x01 = wasm_v128_load32_splat(rounded.data() + *column);
      const v128_t x23 = wasm_v128_load32_splat(rounded.data() + *column + 2);
      low = wasm_i32x4_add(low, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w), x01));
      high = wasm_i32x4_add(high, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w + 8), x01));
      low = wasm_i32x4_add(low, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w + 16), x23));
      high = wasm_i32x4_add(high, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w + 24), x23));
    }
    const F4 sums[2] = {std::bit_cast<F4>(wasm_f32x4_convert_i32x4(low)),
                        std::bit_cast<F4>(wasm_f32x4_convert_i32x4(high))};
#else
    std::array<std::int32_t, kRows> total{};
    for (std::size_t block = counts[group]; block > 0; --block, w += kBlock, ++column) {
      for (std::size_t at = 0; at < kBlock; ++at) {
        const std::size_t row = 4 * ((at >> 3) & 1) + ((at >> 1) & 3);
        total[row] += std::int32_t{w[at]} * rounded[*column + 2 * (at >> 4) + (at & 1)];
      }
    }
    const auto four = [&](std::size_t from) {
      return F4{static_cast<float>(total[from]), static_cast<float>(total[from + 1]),
                static_cast<float>(total[from + 2]), static_cast<float>(total[from + 3])};
    };
    const F4 sums[2] = {four(0), four(4)};
#endif
    for (std::size_t half = 0; half < 2; ++half) {
      const std::size_t at = first + half * kLanes;
      put4(out + at, sums[half] * get4(scales + at) + get4(bias + at));
    }
  }
}

}  // namespace siegel::denoise
