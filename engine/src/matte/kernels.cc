#include "matte/kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "simd/f32x4.h"
#include "simd/i16x8.h"

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

// Eight outputs of a pixel, and what is added to them.
template <Activation kActivation>
void finish(F4 low, F4 high, const float* added, float* out) {
  low = activate<kActivation>(low);
  high = activate<kActivation>(high);
  if (added != nullptr) {
    low += get4(added);
    high += get4(added + kLanes);
  }
  put4(out, low);
  put4(out + kLanes, high);
}

// Eight outputs at a time, and for each eight all pixels, four at a time: part<how many>(pixel, output).
template <typename Part>
void inTiles(std::size_t pixels, std::size_t outputs, const Part& part) {
  constexpr std::size_t kPixels = 4;
  for (std::size_t o = 0; o < outputs; o += kOutputs) {
    std::size_t p = 0;
    for (; p + kPixels <= pixels; p += kPixels) part.template operator()<kPixels>(p, o);
    for (; p < pixels; ++p) part.template operator()<1>(p, o);
  }
}

// The activation as a constant for `work`.
template <typename Work>
void withActivation(Activation activation, const Work& work) {
  switch (activation) {
    case Activation::kNone:
      return work.template operator()<Activation::kNone>();
    case Activation::kRelu:
      return work.template operator()<Activation::kRelu>();
    case Activation::kHardSwish:
      return work.template operator()<Activation::kHardSwish>();
  }
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
  for (std::size_t p = 0; p < kPixels; ++p)
    finish<kActivation>(low[p], high[p], added == nullptr ? nullptr : added + p * outputs, out + p * outputs);
}

// --- With whole numbers

constexpr float kWeightSteps = 2047;

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
  const F4 up = splat(steps / largest);
  for (std::size_t i = 0; i < count; i += 8) put8(out + i, rounded(get4(in + i) * up, get4(in + i + kLanes) * up));
  return largest / steps;
}

template <std::size_t kPixels, Activation kActivation>
void tile16(const std::int16_t* in, std::size_t inputs, const std::int16_t* weight, const float* scale, float inScale,
            const float* bias, const float* added, float* out, std::size_t outputs) {
  std::array<I4, kPixels> low{};
  std::array<I4, kPixels> high{};
  for (std::size_t i = 0; i < inputs; i += 2, weight += 2 * kOutputs) {
    const Short8 w0 = get8(weight);
    const Short8 w1 = get8(weight + kOutputs);
    for (std::size_t p = 0; p < kPixels; ++p) {
      const Short8 pair = splatPair(in + p * inputs + i);
      low[p] += dotPairs(pair, w0);
      high[p] += dotPairs(pair, w1);
    }
  }
  const F4 lowScale = get4(scale) * splat(inScale);
  const F4 highScale = get4(scale + kLanes) * splat(inScale);
  for (std::size_t p = 0; p < kPixels; ++p)
    finish<kActivation>(__builtin_convertvector(low[p], F4) * lowScale + get4(bias),
                        __builtin_convertvector(high[p], F4) * highScale + get4(bias + kLanes),
                        added == nullptr ? nullptr : added + p * outputs, out + p * outputs);
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
  std::array<std::array<I4, kParts>, kPixels> sums{};
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < kStemPairs; ++j) {
      const std::int16_t* weight = quick.weight + (i * kStemPairs + j) * 2 * kOutputs;
      const std::array<Short8, kParts> by = {get8(weight), get8(weight + kOutputs), get8(weight + kHalf),
                                             get8(weight + kHalf + kOutputs)};
      for (std::size_t p = 0; p < kPixels; ++p) {
        const Short8 pair = splatPair(pixels + i * pitch + 2 * p * kStemColors + 2 * j);
        for (std::size_t part = 0; part < kParts; ++part) sums[p][part] += dotPairs(pair, by[part]);
      }
    }
  for (std::size_t part = 0; part < kParts; ++part) {
    const F4 scale = get4(quick.scale + part * kLanes) * splat(1 / kPictureSteps);
    const F4 offset = get4(bias + part * kLanes);
    for (std::size_t p = 0; p < kPixels; ++p)
      put4(out + p * kStemOutputs + part * kLanes,
           activate<Activation::kHardSwish>(__builtin_convertvector(sums[p][part], F4) * scale + offset));
  }
}

}  // namespace

void dense(const Dense& layer, const float* in, std::size_t pixels, Activation activation, const float* added,
           float* out) {
  withActivation(activation, [&]<Activation kActivation>() {
    inTiles(pixels, layer.outputs, [&]<std::size_t kCount>(std::size_t p, std::size_t o) {
      const std::size_t at = p * layer.outputs + o;
      tile<kCount, kActivation>(in + p * layer.inputs, layer.inputs, layer.weight + o * layer.inputs, layer.bias + o,
                                added == nullptr ? nullptr : added + at, out + at, layer.outputs);
    });
  });
}

void dense(const Dense& layer, const Dense16& quick, const float* in, std::size_t pixels, Activation activation,
           const float* added, std::int16_t* room, float* out) {
  const float scale = roundAll(in, pixels * layer.inputs, layer.inputs, room);
  withActivation(activation, [&]<Activation kActivation>() {
    inTiles(pixels, layer.outputs, [&]<std::size_t kCount>(std::size_t p, std::size_t o) {
      const std::size_t at = p * layer.outputs + o;
      tile16<kCount, kActivation>(room + p * layer.inputs, layer.inputs, quick.weight + o * layer.inputs,
                                  quick.scale + o, scale, layer.bias + o, added == nullptr ? nullptr : added + at,
                                  out + at, layer.outputs);
    });
  });
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

void denseOne(const Dense& layer, const float* in, float* out) { dense(layer, in, 1, Activation::kNone, nullptr, out); }

void depthwiseRow(const Depthwise& layer, const float* in, Map size, std::size_t y, Activation activation, float* out) {
  withActivation(activation, [&]<Activation kActivation>() { depthwiseAs<kActivation>(layer, in, size, y, out); });
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
    // Colours are 0..1; others are brought there.
    const auto steps = [&](std::size_t x) {
      return smaller(relu4(get4(picture + x)), splat(1)) * splat(kPictureSteps);
    };
    for (std::size_t x = 0; x < length; x += 2 * kLanes) put8(out + x, rounded(steps(x), steps(x + kLanes)));
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
