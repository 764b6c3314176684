// Layers of the segmentation network. Maps are channel-last: value (y, x, c) lies at (y * width + x) * channels + c.
// Numbers of channels are multiples of 8. No allocation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siegel::matte {

enum class Activation : std::uint8_t { kNone, kRelu, kHardSwish };

// A 1x1 convolution. `weight`: eight outputs side by side for each input, [outputs / 8][inputs][8].
struct Dense {
  const float* weight = nullptr;
  const float* bias = nullptr;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
};
// The same with whole numbers: 12 bits and a scale for each output, pairs of inputs side by side, [outputs / 8][inputs
// / 2] [8][2]. REQUIRES: an even number of inputs, at most 128.
struct Dense16 {
  const std::int16_t* weight = nullptr;
  const float* scale = nullptr;
};
// Makes one of it; `weight` has room for as many, `scale` for `outputs`. `gate` (one for each input) is multiplied in,
// if it is not null.
void quantise(const Dense& layer, const float* gate, std::int16_t* weight, float* scale);

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
// With `quick` for the sums; `in` is rounded into `room` (for pixels * inputs), as finely as the sums allow.
void dense(const Dense& layer, const Dense16& quick, const float* in, std::size_t pixels, Activation activation,
           const float* added, std::int16_t* room, float* out);
// For one pixel.
void denseOne(const Dense& layer, const float* in, float* out);

// Row `y` of the result of a map of `size`; padding as "same" of TensorFlow: with stride 2 and even sizes more of it
// lies at the end.
void depthwiseRow(const Depthwise& layer, const float* in, Map size, std::size_t y, Activation activation, float* out);

// 3x3 with stride 2 from three channels to 16, hard swish: row `y` of the result of a picture of `size`.
// `weight` is [2][27][8].
void stemRow(const float* weight, const float* bias, const float* picture, Map size, std::size_t y, float* out);

// The same with whole numbers. quantiseStem makes [2][3][5][8][2] of it: five pairs for a row's nine numbers. `picture`
// is what roundPicture made: rows of 3 * width + kStemGap numbers.
inline constexpr std::size_t kStemGap = 8;
inline constexpr std::size_t kStemWeights = std::size_t{2} * 3 * 5 * 8 * 2;
void quantiseStem(const float* weight, std::int16_t* quick, float* scale);
// REQUIRES: a width of a multiple of 8.
void roundPicture(const float* picture, Map size, std::int16_t* out);
void stemRow(const Dense16& quick, const float* bias, const std::int16_t* picture, Map size, std::size_t y, float* out);

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
