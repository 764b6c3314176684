#include "matte/kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "simd/f32x4.h"

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

namespace siegel::matte {
namespace {

constexpr std::size_t kOutputs = 8;

template <Activation kActivation>
F4 activate(F4 x) {
  if constexpr (kActivation == Activation::kRelu) return relu4(x);
  if constexpr (kActivation == Activation::kHardSwish)
    return x * (smaller(relu4(x + splat(3)), splat(6)) * splat(1.0F / 6));
  return x;
}

// kPixels pixels and eight outputs stay in registers while all inputs are added up.
template <std::size_t kPixels, Activation kActivation>
void tile(const float* in, std::size_t inputs, const float* weight, const float* bias, const float* added, float* out,
          std::size_t outputs) {
  std::array<F4, kPixels> low;
  std::array<F4, kPixels> high;
  low.fill(get4(bias));
  high.fill(get4(bias + kLanes));
  for (std::size_t i = 0; i < inputs; ++i) {
    const F4 w0 = get4(weight + kOutputs * i);
    const F4 w1 = get4(weight + kOutputs * i + kLanes);
    for (std::size_t p = 0; p < kPixels; ++p) {
      const F4 x = splat(in[p * inputs + i]);
      low[p] = multiplyAdd(x, w0, low[p]);
      high[p] = multiplyAdd(x, w1, high[p]);
    }
  }
  for (std::size_t p = 0; p < kPixels; ++p) {
    F4 a = activate<kActivation>(low[p]);
    F4 b = activate<kActivation>(high[p]);
    if (added != nullptr) {
      a += get4(added + p * outputs);
      b += get4(added + p * outputs + kLanes);
    }
    put4(out + p * outputs, a);
    put4(out + p * outputs + kLanes, b);
  }
}

template <Activation kActivation>
void denseAs(const Dense& layer, const float* in, std::size_t pixels, const float* added, float* out) {
  constexpr std::size_t kPixels = 4;
  const auto [weight, bias, inputs, outputs] = layer;
  for (std::size_t o = 0; o < outputs; o += kOutputs) {
    const auto part = [&]<std::size_t kCount>(std::size_t p) {
      tile<kCount, kActivation>(in + p * inputs, inputs, weight + o * inputs, bias + o,
                                added == nullptr ? nullptr : added + p * outputs + o, out + p * outputs + o, outputs);
    };
    std::size_t p = 0;
    for (; p + kPixels <= pixels; p += kPixels) part.template operator()<kPixels>(p);
    for (; p < pixels; ++p) part.template operator()<1>(p);
  }
}

// --- With whole numbers

constexpr float kWeightSteps = 2047;

// Eight sums of products of pairs, for four outputs each.
#ifdef __wasm_simd128__
using Sums = v128_t;
inline Sums none() { return wasm_i32x4_splat(0); }
inline Sums pairOf(const std::int16_t* pair) { return wasm_v128_load32_splat(pair); }
inline Sums four(const std::int16_t* weights) { return wasm_v128_load(weights); }
inline Sums more(Sums sum, Sums pair, Sums weights) { return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(pair, weights)); }
inline F4 floats(Sums sum) { return F4(wasm_f32x4_convert_i32x4(sum)); }
#else
using Short8 = std::int16_t __attribute__((vector_size(16)));
using Sums = I4;
inline Sums none() { return I4{}; }
inline Short8 pairOf(const std::int16_t* pair) {
  return {pair[0], pair[1], pair[0], pair[1], pair[0], pair[1], pair[0], pair[1]};
}
inline Short8 four(const std::int16_t* weights) {
  Short8 values;
  std::memcpy(&values, weights, sizeof values);
  return values;
}
inline Sums more(Sums sum, Short8 pair, Short8 weights) {
  for (int lane = 0; lane < 4; ++lane)
    sum[lane] +=
        std::int32_t{pair[2 * lane]} * weights[2 * lane] + std::int32_t{pair[2 * lane + 1]} * weights[2 * lane + 1];
  return sum;
}
inline F4 floats(Sums sum) { return __builtin_convertvector(sum, F4); }
#endif

// The scale that gives `in` its numbers back.
float roundAll(const float* in, std::size_t count, std::size_t inputs, std::int16_t* out) {
  F4 most = splat(1e-12F);
  for (std::size_t i = 0; i < count; i += kLanes) {
    const F4 x = get4(in + i);
    most = larger(most, larger(x, -x));
  }
  const float largest = std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
  // inputs * steps * kWeightSteps < 2^31
  const float steps = std::min(32'767.0F, std::floor(2.1e9F / (static_cast<float>(inputs) * kWeightSteps)));
  const float up = steps / largest;
  for (std::size_t i = 0; i < count; i += 8) {
#ifdef __wasm_simd128__
    const auto whole = [&](std::size_t at) {
      return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(v128_t(get4(in + at) * splat(up))));
    };
    wasm_v128_store(out + i, wasm_i16x8_narrow_i32x4(whole(i), whole(i + kLanes)));
#else
    for (std::size_t lane = 0; lane < 8; ++lane)
      out[i + lane] = static_cast<std::int16_t>(std::clamp(std::nearbyint(in[i + lane] * up), -32'768.0F, 32'767.0F));
#endif
  }
  return largest / steps;
}

template <std::size_t kPixels, Activation kActivation>
void tile16(const std::int16_t* in, std::size_t inputs, const std::int16_t* weight, const float* scale, float inScale,
            const float* bias, const float* added, float* out, std::size_t outputs) {
  std::array<Sums, kPixels> low;
  std::array<Sums, kPixels> high;
  low.fill(none());
  high.fill(none());
  for (std::size_t i = 0; i < inputs; i += 2, weight += 2 * kOutputs) {
    const auto w0 = four(weight);
    const auto w1 = four(weight + kOutputs);
    for (std::size_t p = 0; p < kPixels; ++p) {
      const auto pair = pairOf(in + p * inputs + i);
      low[p] = more(low[p], pair, w0);
      high[p] = more(high[p], pair, w1);
    }
  }
  const F4 lowScale = get4(scale) * splat(inScale);
  const F4 highScale = get4(scale + kLanes) * splat(inScale);
  for (std::size_t p = 0; p < kPixels; ++p) {
    F4 a = activate<kActivation>(floats(low[p]) * lowScale + get4(bias));
    F4 b = activate<kActivation>(floats(high[p]) * highScale + get4(bias + kLanes));
    if (added != nullptr) {
      a += get4(added + p * outputs);
      b += get4(added + p * outputs + kLanes);
    }
    put4(out + p * outputs, a);
    put4(out + p * outputs + kLanes, b);
  }
}

template <Activation kActivation>
void denseAs(const Dense& layer, const Dense16& quick, const std::int16_t* in, float inScale, std::size_t pixels,
             const float* added, float* out) {
  constexpr std::size_t kPixels = 4;
  const std::size_t inputs = layer.inputs;
  const std::size_t outputs = layer.outputs;
  for (std::size_t o = 0; o < outputs; o += kOutputs) {
    const auto part = [&]<std::size_t kCount>(std::size_t p) {
      tile16<kCount, kActivation>(in + p * inputs, inputs, quick.weight + o * inputs, quick.scale + o, inScale,
                                  layer.bias + o, added == nullptr ? nullptr : added + p * outputs + o,
                                  out + p * outputs + o, outputs);
    };
    std::size_t p = 0;
    for (; p + kPixels <= pixels; p += kPixels) part.template operator()<kPixels>(p);
    for (; p < pixels; ++p) part.template operator()<1>(p);
  }
}

// A pixel near the edge: only the taps that lie inside, from (firstRow, first) to (lastRow, last).
struct Taps {
  std::size_t firstRow, lastRow, first, last;
};

template <Activation kActivation>
void depthwisePixel(const Depthwise& layer, const float* corner, std::size_t pitch, const Taps& taps, float* out) {
  const auto [weight, bias, channels, edge, stride] = layer;
  for (std::size_t c = 0; c < channels; c += kLanes) {
    F4 total = get4(bias + c);
    for (std::size_t i = taps.firstRow; i < taps.lastRow; ++i)
      for (std::size_t j = taps.first; j < taps.last; ++j)
        total = multiplyAdd(get4(corner + i * pitch + j * channels + c), get4(weight + (i * edge + j) * channels + c),
                            total);
    put4(out + c, activate<kActivation>(total));
  }
}

// kPixels pixels side by side share what they read of a row and the taps.
template <std::size_t kEdge, std::size_t kStride, std::size_t kPixels, Activation kActivation>
void depthwisePixels(const Depthwise& layer, const float* corner, std::size_t pitch, std::size_t firstRow,
                     std::size_t lastRow, float* out) {
  constexpr std::size_t kColumns = (kPixels - 1) * kStride + kEdge;
  const std::size_t channels = layer.channels;
  for (std::size_t c = 0; c < channels; c += kLanes) {
    std::array<F4, kPixels> sums;
    sums.fill(get4(layer.bias + c));
    for (std::size_t i = firstRow; i < lastRow; ++i) {
      std::array<F4, kColumns> row;
      for (std::size_t x = 0; x < kColumns; ++x) row[x] = get4(corner + i * pitch + x * channels + c);
      for (std::size_t j = 0; j < kEdge; ++j) {
        const F4 tap = get4(layer.weight + (i * kEdge + j) * channels + c);
        for (std::size_t p = 0; p < kPixels; ++p) sums[p] = multiplyAdd(row[p * kStride + j], tap, sums[p]);
      }
    }
    for (std::size_t p = 0; p < kPixels; ++p) put4(out + p * channels + c, activate<kActivation>(sums[p]));
  }
}

template <std::size_t kEdge, std::size_t kStride, Activation kActivation>
void depthwiseAs(const Depthwise& layer, const float* in, Map size, std::size_t y, float* out) {
  constexpr std::size_t kPixels = 4;
  // With "same": stride 1 has as much on both sides, stride 2 one less in front.
  constexpr std::size_t kBefore = kStride == 1 ? kEdge / 2 : (kEdge - 2) / 2;
  const std::size_t channels = layer.channels;
  const std::size_t pitch = size.width * channels;
  const std::size_t columns = size.width / kStride;
  const auto inside = [](std::size_t at, std::size_t end) {
    const std::size_t from = at < kBefore ? kBefore - at : 0;
    return std::pair{from, std::min(kEdge, end + kBefore - at)};
  };
  const auto [firstRow, lastRow] = inside(y * kStride, size.height);
  // What lies under tap (0, 0) of a pixel: maybe nothing, but then that tap is not read.
  const auto corner = [&](std::size_t x) {
    const auto offset = [](std::size_t at) {
      return static_cast<std::ptrdiff_t>(at * kStride) - static_cast<std::ptrdiff_t>(kBefore);
    };
    return in + (offset(y) * static_cast<std::ptrdiff_t>(pitch) + offset(x) * static_cast<std::ptrdiff_t>(channels));
  };
  for (std::size_t x = 0; x < columns;) {
    const bool whole = x * kStride >= kBefore && (x + kPixels - 1) * kStride + kEdge - kBefore <= size.width;
    if (whole) {
      depthwisePixels<kEdge, kStride, kPixels, kActivation>(layer, corner(x), pitch, firstRow, lastRow,
                                                            out + x * channels);
      x += kPixels;
      continue;
    }
    const auto [first, last] = inside(x * kStride, size.width);
    depthwisePixel<kActivation>(layer, corner(x), pitch, {firstRow, lastRow, first, last}, out + x * channels);
    ++x;
  }
}

template <Activation kActivation>
void depthwiseAs(const Depthwise& layer, const float* in, Map size, std::size_t y, float* out) {
  if (layer.edge == 3 && layer.stride == 1) return depthwiseAs<3, 1, kActivation>(layer, in, size, y, out);
  if (layer.edge == 3) return depthwiseAs<3, 2, kActivation>(layer, in, size, y, out);
  if (layer.stride == 1) return depthwiseAs<5, 1, kActivation>(layer, in, size, y, out);
  depthwiseAs<5, 2, kActivation>(layer, in, size, y, out);
}

constexpr std::size_t kStemColors = 3;
constexpr std::size_t kStemEdge = 3;
constexpr std::size_t kStemOutputs = 16;

template <std::size_t kPixels>
void stemPixels(const float* weight, const float* bias, const float* pixels, std::size_t pitch, std::size_t rows,
                std::size_t columns, float* out) {
  constexpr std::size_t kTaps = kStemEdge * kStemEdge * kStemColors;
  constexpr std::size_t kParts = kStemOutputs / kLanes;
  std::array<std::array<F4, kParts>, kPixels> sums;
  for (std::size_t part = 0; part < kParts; ++part)
    for (auto& each : sums) each[part] = get4(bias + part * kLanes);
  for (std::size_t i = 0; i < rows; ++i) {
    const float* row = pixels + i * pitch * kStemColors;
    const float* taps = weight + i * kStemEdge * kStemColors * kOutputs;
    for (std::size_t j = 0; j < columns * kStemColors; ++j) {
      const float* tap = taps + j * kOutputs;
      const std::array<F4, kParts> by = {get4(tap), get4(tap + kLanes), get4(tap + kTaps * kOutputs),
                                         get4(tap + kTaps * kOutputs + kLanes)};
      for (std::size_t p = 0; p < kPixels; ++p) {
        const F4 value = splat(row[j + 2 * p * kStemColors]);
        for (std::size_t part = 0; part < kParts; ++part) sums[p][part] = multiplyAdd(value, by[part], sums[p][part]);
      }
    }
  }
  for (std::size_t p = 0; p < kPixels; ++p)
    for (std::size_t part = 0; part < kParts; ++part)
      put4(out + p * kStemOutputs + part * kLanes, activate<Activation::kHardSwish>(sums[p][part]));
}

constexpr std::size_t kStemPairs = 5;
constexpr float kPictureSteps = 32'767;

template <std::size_t kPixels>
void stemPixels16(const Dense16& quick, const float* bias, const std::int16_t* pixels, std::size_t pitch,
                  std::size_t rows, float* out) {
  constexpr std::size_t kParts = kStemOutputs / kLanes;
  constexpr std::size_t kHalf = kStemEdge * kStemPairs * 2 * kOutputs;
  std::array<std::array<Sums, kParts>, kPixels> sums;
  for (auto& each : sums) each.fill(none());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < kStemPairs; ++j) {
      const std::int16_t* weight = quick.weight + (i * kStemPairs + j) * 2 * kOutputs;
      const std::array by = {four(weight), four(weight + kOutputs), four(weight + kHalf),
                             four(weight + kHalf + kOutputs)};
      for (std::size_t p = 0; p < kPixels; ++p) {
        const auto pair = pairOf(pixels + i * pitch + 2 * p * kStemColors + 2 * j);
        for (std::size_t part = 0; part < kParts; ++part) sums[p][part] = more(sums[p][part], pair, by[part]);
      }
    }
  for (std::size_t part = 0; part < kParts; ++part) {
    const F4 scale = get4(quick.scale + part * kLanes) * splat(1 / kPictureSteps);
    const F4 offset = get4(bias + part * kLanes);
    for (std::size_t p = 0; p < kPixels; ++p)
      put4(out + p * kStemOutputs + part * kLanes,
           activate<Activation::kHardSwish>(floats(sums[p][part]) * scale + offset));
  }
}

}  // namespace

void dense(const Dense& layer, const float* in, std::size_t pixels, Activation activation, const float* added,
           float* out) {
  switch (activation) {
    case Activation::kNone:
      return denseAs<Activation::kNone>(layer, in, pixels, added, out);
    case Activation::kRelu:
      return denseAs<Activation::kRelu>(layer, in, pixels, added, out);
    case Activation::kHardSwish:
      return denseAs<Activation::kHardSwish>(layer, in, pixels, added, out);
  }
}

void dense(const Dense& layer, const Dense16& quick, const float* in, std::size_t pixels, Activation activation,
           const float* added, std::int16_t* rounded, float* out) {
  const float scale = roundAll(in, pixels * layer.inputs, layer.inputs, rounded);
  switch (activation) {
    case Activation::kNone:
      return denseAs<Activation::kNone>(layer, quick, rounded, scale, pixels, added, out);
    case Activation::kRelu:
      return denseAs<Activation::kRelu>(layer, quick, rounded, scale, pixels, added, out);
    case Activation::kHardSwish:
      return denseAs<Activation::kHardSwish>(layer, quick, rounded, scale, pixels, added, out);
  }
}

void quantise(const Dense& layer, const float* gate, std::int16_t* weight, float* scale) {
  const std::size_t inputs = layer.inputs;
  for (std::size_t o = 0; o < layer.outputs; o += kOutputs) {
    const float* from = layer.weight + o * inputs;
    std::int16_t* to = weight + o * inputs;
    std::array<F4, 2> most = {splat(1e-12F), splat(1e-12F)};
    const auto value = [&](std::size_t i, std::size_t half) {
      const F4 each = get4(from + i * kOutputs + half * kLanes);
      return gate == nullptr ? each : each * splat(gate[i]);
    };
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t half = 0; half < 2; ++half)
        most[half] = larger(most[half], larger(value(i, half), -value(i, half)));
    std::array<F4, 2> up;
    for (std::size_t half = 0; half < 2; ++half) {
      up[half] = splat(kWeightSteps) / most[half];
      put4(scale + o + half * kLanes, most[half] * splat(1 / kWeightSteps));
    }
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t half = 0; half < 2; ++half) {
        const F4 steps = value(i, half) * up[half];
        for (std::size_t lane = 0; lane < kLanes; ++lane)
          to[(i / 2) * 2 * kOutputs + 2 * (half * kLanes + lane) + i % 2] =
              static_cast<std::int16_t>(std::lrint(steps[lane]));
      }
  }
}

void denseOne(const Dense& layer, const float* in, float* out) {
  denseAs<Activation::kNone>(layer, in, 1, nullptr, out);
}

void depthwiseRow(const Depthwise& layer, const float* in, Map size, std::size_t y, Activation activation, float* out) {
  if (activation == Activation::kRelu) return depthwiseAs<Activation::kRelu>(layer, in, size, y, out);
  depthwiseAs<Activation::kHardSwish>(layer, in, size, y, out);
}

void stemRow(const float* weight, const float* bias, const float* picture, Map size, std::size_t y, float* out) {
  constexpr std::size_t kPixels = 2;
  const std::size_t rows = std::min(kStemEdge, size.height - 2 * y);
  const std::size_t columns = size.width / 2;
  const float* pixels = picture + 2 * y * size.width * kStemColors;
  std::size_t x = 0;
  // The last one has a column less: that is padding.
  for (; x + kPixels < columns; x += kPixels)
    stemPixels<kPixels>(weight, bias, pixels + 2 * x * kStemColors, size.width, rows, kStemEdge,
                        out + x * kStemOutputs);
  for (; x < columns; ++x) {
    const std::size_t inside = std::min(kStemEdge, size.width - 2 * x);
    stemPixels<1>(weight, bias, pixels + 2 * x * kStemColors, size.width, rows, inside, out + x * kStemOutputs);
  }
}

void quantiseStem(const float* weight, std::int16_t* quick, float* scale) {
  constexpr std::size_t kRow = kStemEdge * kStemColors;
  constexpr std::size_t kTaps = kStemEdge * kRow;
  std::fill_n(quick, kStemWeights, std::int16_t{0});
  for (std::size_t o = 0; o < kStemOutputs; ++o) {
    const auto value = [&](std::size_t tap) {
      return weight[o / kOutputs * kTaps * kOutputs + tap * kOutputs + o % kOutputs];
    };
    float most = 1e-12F;
    for (std::size_t tap = 0; tap < kTaps; ++tap) most = std::max(most, std::abs(value(tap)));
    scale[o] = most / kWeightSteps;
    for (std::size_t tap = 0; tap < kTaps; ++tap) {
      const std::size_t pair = tap / kRow * kStemPairs + tap % kRow / 2;
      const std::size_t half = o / kOutputs * kStemEdge * kStemPairs;
      quick[((half + pair) * kOutputs + o % kOutputs) * 2 + tap % kRow % 2] =
          static_cast<std::int16_t>(std::lrint(value(tap) * kWeightSteps / most));
    }
  }
}

void roundPicture(const float* picture, Map size, std::int16_t* out) {
  const std::size_t length = size.width * kStemColors;
  for (std::size_t y = 0; y < size.height; ++y, picture += length) {
    for (std::size_t x = 0; x < length; x += kLanes) {
      // Colours are 0..1; others are brought there.
      const F4 value = smaller(relu4(get4(picture + x)), splat(1)) * splat(kPictureSteps) + splat(0.5F);
      const I4 whole = __builtin_convertvector(value, I4);
      for (std::size_t lane = 0; lane < kLanes; ++lane) out[x + lane] = static_cast<std::int16_t>(whole[lane]);
    }
    std::fill_n(out + length, kStemGap, std::int16_t{0});
    out += length + kStemGap;
  }
}

void stemRow(const Dense16& quick, const float* bias, const std::int16_t* picture, Map size, std::size_t y,
             float* out) {
  constexpr std::size_t kPixels = 2;
  const std::size_t pitch = size.width * kStemColors + kStemGap;
  const std::size_t rows = std::min(kStemEdge, size.height - 2 * y);
  const std::int16_t* pixels = picture + 2 * y * pitch;
  for (std::size_t x = 0; x < size.width / 2; x += kPixels)
    stemPixels16<kPixels>(quick, bias, pixels + 2 * x * kStemColors, pitch, rows, out + x * kStemOutputs);
}

void resizeRow(const float* in, Map size, std::size_t channels, std::size_t y, float* out) {
  // Three quarters of the nearer row and column, a quarter of the one beyond; the edge continues.
  const auto beyond = [](std::size_t at, std::size_t count) {
    const std::size_t near = at / 2;
    return at % 2 == 0 ? (near == 0 ? 0 : near - 1) : std::min(near + 1, count - 1);
  };
  const float* near = in + y / 2 * size.width * channels;
  const float* far = in + beyond(y, size.height) * size.width * channels;
  const F4 most = splat(0.75F);
  const F4 rest = splat(0.25F);
  const auto column = [&](std::size_t x, std::size_t c) {
    return get4(near + x * channels + c) * most + get4(far + x * channels + c) * rest;
  };
  for (std::size_t c = 0; c < channels; c += kLanes) {
    F4 before = column(0, c);
    F4 here = before;
    for (std::size_t x = 0; x < size.width; ++x) {
      const F4 after = column(std::min(x + 1, size.width - 1), c);
      const F4 part = here * most;
      put4(out + 2 * x * channels + c, part + before * rest);
      put4(out + (2 * x + 1) * channels + c, part + after * rest);
      before = here;
      here = after;
    }
  }
}

void quarters(const float* weight, float bias, const float* in, std::size_t pixels, std::size_t channels, float* above,
              float* below) {
  constexpr std::size_t kPixels = 4;
  for (std::size_t x = 0; x < pixels; x += kPixels) {
    std::array<F4, kPixels> sums;
    sums.fill(splat(bias));
    for (std::size_t c = 0; c < channels; ++c) {
      const F4 taps = get4(weight + c * kLanes);
      for (std::size_t p = 0; p < kPixels; ++p) sums[p] = multiplyAdd(splat(in[(x + p) * channels + c]), taps, sums[p]);
    }
    for (std::size_t p = 0; p < kPixels; p += 2) {
      const F4 a = sums[p];
      const F4 b = sums[p + 1];
      put4(above + 2 * (x + p), sigmoid(F4{a[0], a[1], b[0], b[1]}));
      put4(below + 2 * (x + p), sigmoid(F4{a[2], a[3], b[2], b[3]}));
    }
  }
}

void meanOf(const float* in, std::size_t pixels, std::size_t channels, float* out) {
  const float share = 1.0F / static_cast<float>(pixels);
  for (std::size_t c = 0; c < channels; c += kOutputs) {
    F4 low = splat(0);
    F4 high = splat(0);
    for (std::size_t p = 0; p < pixels; ++p) {
      low += get4(in + p * channels + c);
      high += get4(in + p * channels + c + kLanes);
    }
    put4(out + c, low * splat(share));
    put4(out + c + kLanes, high * splat(share));
  }
}

void gateAndAdd(const float* in, const float* gate, const float* added, std::size_t pixels, std::size_t channels,
                float* out) {
  for (std::size_t p = 0; p < pixels; ++p)
    for (std::size_t c = 0; c < channels; c += kLanes) {
      const std::size_t at = p * channels + c;
      put4(out + at, multiplyAdd(get4(in + at), get4(gate + c), get4(added + at)));
    }
}

}  // namespace siegel::matte
