// Sparse matrices of int8 for eco: blocks of 8 rows by 4 columns, and activations that are rounded to 8 bits.
//
// Within a block the 32 bytes are ordered (pair of columns, half of the rows, row of four, column of the pair), so that
// a vector of eight meets one pair of inputs, repeated. No allocation. Source: the format of RNNoise 0.2's weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "simd/f32x4.h"

namespace siegel::denoise {

struct BlockMatrix {
  static constexpr std::size_t kRows = 8;
  static constexpr std::size_t kColumns = 4;
  static constexpr std::size_t kBlock = kRows * kColumns;
  static constexpr std::size_t kMostInputs = 384;

  const std::int8_t* values = nullptr;
  const std::uint16_t* counts = nullptr;   // blocks of each group of eight rows
  const std::uint16_t* columns = nullptr;  // first column of each block
  const float* scales = nullptr;
  const float* bias = nullptr;
  std::size_t rows = 0;
  std::size_t blocks = 0;

  // Whether the counts add up and every block lies within `inputs` columns.
  [[nodiscard]] bool sound(std::size_t inputs) const;
  // out[r] = scale[r] * sum w[r][c] * x[c] + bias[r]. REQUIRES: sound(x.size()). Values beyond +-1
  // count as +-1.
  void multiply(std::span<const float> x, float* out) const;
};

// tanh as RNNoise approximates it: a quotient of polynomials, error below 6e-5.
inline F4 quickTangent(F4 x) {
  const F4 square = x * x;
  const F4 up = (splat(0.60863042F) * square + splat(96.39235687F)) * square + splat(952.52801514F);
  const F4 down = (splat(11.88600922F) * square + splat(413.36801147F)) * square + splat(952.72399902F);
  return larger(splat(-1), smaller(splat(1), up * x / down));
}
inline F4 quickSigmoid(F4 x) { return splat(0.5F) + splat(0.5F) * quickTangent(splat(0.5F) * x); }

}  // namespace siegel::denoise
