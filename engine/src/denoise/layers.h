// Layers of the networks. Maps are channel-last: value (f, c) of a map with 64 channels lies at 64 * f + c.
// No allocation; sizes are the caller's business and are constants everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "simd/f32x4.h"

namespace siegel::denoise {

inline constexpr std::size_t kChannels = 64;
inline constexpr std::size_t kHidden = 256;
inline constexpr std::size_t kGateRows = 3 * kHidden;

// out[f][o] = relu(bias[o] + sum over i of in[f][i] * weight[i][o]); REQUIRES: width a multiple of 4.
void pointwise(const float* in, float* out, const float* weight, const float* bias, std::size_t width);
// Three taps over frequency, each channel by itself; weight[tap][c]. `stride` 1 or 2.
void depthwise(const float* in, float* out, const float* weight, std::size_t width, std::size_t stride);
// The transposed one with stride 2: `width` places become twice as many.
void depthwiseUp(const float* in, float* out, const float* weight, std::size_t width);
// Groups of inputs, each with a matrix of its own: weight[g][i][h]. REQUIRES: outputs a multiple of 4.
void groupedLinear(const float* in, float* out, const float* weight, std::size_t groups, std::size_t inputs,
                   std::size_t outputs);
void relu(float* values, std::size_t count);
// out = relu(a * scale + bias) + b, per channel.
void scaleAndAdd(const float* a, const float* scale, const float* bias, const float* b, float* out, std::size_t width);

// int8 rows times a vector of 256 floats, which is rounded to 16 bits first: out[r] = scale[r] * sum values[r][k] *
// x[k].
struct Matrix8 {
  const std::int8_t* values = nullptr;  // 768 x 256, aligned to 16
  const float* scales = nullptr;
};
void multiply(const Matrix8& matrix, const float* x, float* out);

// Gated recurrent unit, 256 to 256. Gates in the order update, reset, new (ONNX, linear_before_reset = 1).
struct Gru {
  Matrix8 input;
  Matrix8 recurrent;
  const float* bias = nullptr;  // of the input's rows, then of the recurrent ones
  void step(const float* x, float* hidden) const;
};

}  // namespace siegel::denoise
