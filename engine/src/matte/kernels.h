// Layers of the segmentation network. Maps are channel-last: value (y, x, c) lies at (y * width + x) * channels + c.
// Numbers of channels are multiples of 8. No allocation.
#pragma once

#include <cstddef>

namespace siegel::matte {

enum class Activation { kNone, kRelu, kHardSwish };

// A 1x1 convolution. `weight`: eight outputs side by side for each input, [outputs / 8][inputs][8].
struct Dense {
  const float* weight = nullptr;
  const float* bias = nullptr;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
};
// Each channel by itself; `weight` is [edge * edge][channels].
struct Depthwise {
  const float* weight = nullptr;
  const float* bias = nullptr;
  std::size_t channels = 0;
  std::size_t edge = 0;    // 3 or 5
  std::size_t stride = 0;  // 1 or 2
};
struct Map {
  std::size_t height = 0;
  std::size_t width = 0;
};

// out = activation(in * weight + bias), then + `added` unless that is null (may be `out`).
void dense(const Dense& layer, const float* in, std::size_t pixels, Activation activation, const float* added,
           float* out);
// The same for one pixel, without order of memory in mind.
void denseOne(const Dense& layer, const float* in, float* out);

// Row `y` of the result of a map of `size`; padding as "same" of TensorFlow: with stride 2 and even sizes more of it
// lies at the end.
void depthwiseRow(const Depthwise& layer, const float* in, Map size, std::size_t y, Activation activation, float* out);

// 3x3 with stride 2 from three channels to 16, hard swish: row `y` of the result of a picture of `size`.
// `weight` is [2][27][8].
void stemRow(const float* weight, const float* bias, const float* picture, Map size, std::size_t y, float* out);

// Row `y` of a map of twice the size, bilinear with pixels' middles at halves.
void resizeRow(const float* in, Map size, std::size_t channels, std::size_t y, float* out);

// Each pixel becomes two by two, sigmoid of in * weight + bias; `weight` is [channels][4], row by row. REQUIRES: pixels
// a multiple of 4.
void quarters(const float* weight, float bias, const float* in, std::size_t pixels, std::size_t channels, float* above,
              float* below);

// out[c] = mean over all pixels.
void meanOf(const float* in, std::size_t pixels, std::size_t channels, float* out);

// out = in * gate + added, channel by channel.
void gateAndAdd(const float* in, const float* gate, const float* added, std::size_t pixels, std::size_t channels,
                float* out);

}  // namespace siegel::matte
