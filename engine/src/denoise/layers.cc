#include "denoise/layers.h"

#include <cmath>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

namespace siegel::denoise {

void pointwise(const float* in, float* out, const float* weight, const float* bias, std::size_t width) {
  // Four places and eight outputs at a time: sixteen sums stay in registers, each weight is read once for four places.
  for (std::size_t f = 0; f < width; f += 4) {
    const float* x = in + f * kChannels;
    for (std::size_t o = 0; o < kChannels; o += 8) {
      std::array<F4, 4> low;
      std::array<F4, 4> high;
      low.fill(get4(bias + o));
      high.fill(get4(bias + o + 4));
      const float* w = weight + o;
      for (std::size_t i = 0; i < kChannels; ++i, w += kChannels) {
        const F4 w0 = get4(w);
        const F4 w1 = get4(w + 4);
        for (std::size_t place = 0; place < 4; ++place) {
          const F4 value = splat(x[place * kChannels + i]);
          low[place] += value * w0;
          high[place] += value * w1;
        }
      }
      for (std::size_t place = 0; place < 4; ++place) {
        float* y = out + (f + place) * kChannels + o;
        put4(y, relu4(low[place]));
        put4(y + 4, relu4(high[place]));
      }
    }
  }
}

void depthwise(const float* in, float* out, const float* weight, std::size_t width, std::size_t stride) {
  for (std::size_t f = 0; f < width / stride; ++f) {
    const std::size_t middle = f * stride;
    for (std::size_t c = 0; c < kChannels; c += kLanes) {
      F4 a = get4(weight + kChannels + c) * get4(in + middle * kChannels + c);
      if (middle > 0) a += get4(weight + c) * get4(in + (middle - 1) * kChannels + c);
      if (middle + 1 < width) a += get4(weight + 2 * kChannels + c) * get4(in + (middle + 1) * kChannels + c);
      put4(out + f * kChannels + c, a);
    }
  }
}

void depthwiseUp(const float* in, float* out, const float* weight, std::size_t width) {
  for (std::size_t f = 0; f < width; ++f) {
    for (std::size_t c = 0; c < kChannels; c += kLanes) {
      const F4 here = get4(in + f * kChannels + c);
      F4 between = here * get4(weight + 2 * kChannels + c);
      if (f + 1 < width) between += get4(in + (f + 1) * kChannels + c) * get4(weight + c);
      put4(out + 2 * f * kChannels + c, here * get4(weight + kChannels + c));
      put4(out + (2 * f + 1) * kChannels + c, between);
    }
  }
}

namespace {

// kCount vectors of outputs at a time: one sum alone would wait for itself.
template <std::size_t kCount>
void groupedTile(const float* x, const float* weight, std::size_t inputs, std::size_t outputs, float* out) {
  std::array<F4, kCount> sums;
  sums.fill(splat(0));
  for (std::size_t i = 0; i < inputs; ++i, weight += outputs) {
    const F4 value = splat(x[i]);
    for (std::size_t n = 0; n < kCount; ++n) sums[n] += value * get4(weight + n * kLanes);
  }
  for (std::size_t n = 0; n < kCount; ++n) put4(out + n * kLanes, sums[n]);
}

}  // namespace

void groupedLinear(const float* in, float* out, const float* weight, std::size_t groups, std::size_t inputs,
                   std::size_t outputs) {
  constexpr std::size_t kCount = 4;
  for (std::size_t g = 0; g < groups; ++g) {
    const float* x = in + g * inputs;
    const float* w = weight + g * inputs * outputs;
    float* to = out + g * outputs;
    std::size_t h = 0;
    for (; h + kCount * kLanes <= outputs; h += kCount * kLanes) groupedTile<kCount>(x, w + h, inputs, outputs, to + h);
    for (; h < outputs; h += kLanes) groupedTile<1>(x, w + h, inputs, outputs, to + h);
  }
}

void relu(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; i += kLanes) put4(values + i, relu4(get4(values + i)));
}

void scaleAndAdd(const float* a, const float* scale, const float* bias, const float* b, float* out, std::size_t width) {
  for (std::size_t f = 0; f < width; ++f) {
    for (std::size_t c = 0; c < kChannels; c += kLanes) {
      const std::size_t at = f * kChannels + c;
      put4(out + at, relu4(get4(a + at) * get4(scale + c) + get4(bias + c)) + get4(b + at));
    }
  }
}

void multiply(const Matrix8& matrix, const float* x, float* out) {
  // 256 * 127 * 32767 < 2^31: the sums cannot overflow.
  constexpr float kFull = 32767;
  F4 most = splat(1e-12F);
  for (std::size_t k = 0; k < kHidden; k += kLanes) {
    const F4 v = get4(x + k);
    most = larger(most, larger(v, -v));
  }
  const float largest = std::fmax(std::fmax(most[0], most[1]), std::fmax(most[2], most[3]));
  const float up = kFull / largest;
  const float down = largest / kFull;
  alignas(16) std::array<std::int16_t, kHidden> rounded;
  for (std::size_t k = 0; k < kHidden; ++k) {
    const float v = x[k] * up;
    rounded[k] = static_cast<std::int16_t>(v + (v < 0 ? -0.5F : 0.5F));
  }
#ifdef __wasm_simd128__
  for (std::size_t row = 0; row < kGateRows; row += 4) {
    const std::int8_t* w = matrix.values + row * kHidden;
    std::array<v128_t, 4> sums;
    sums.fill(wasm_i32x4_splat(0));
    for (std::size_t k = 0; k < kHidden; k += 16) {
      const v128_t x0 = wasm_v128_load(rounded.data() + k);
      const v128_t x1 = wasm_v128_load(rounded.data() + k + 8);
      for (std::size_t r = 0; r < 4; ++r) {
        const v128_t bytes = wasm_v128_load(w + r * kHidden + k);
        const v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(bytes), x0);
        const v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(bytes), x1);
        sums[r] = wasm_i32x4_add(sums[r], wasm_i32x4_add(low, high));
      }
    }
    const v128_t t0 = wasm_i32x4_add(wasm_i32x4_shuffle(sums[0], sums[1], 0, 4, 1, 5),
                                     wasm_i32x4_shuffle(sums[0], sums[1], 2, 6, 3, 7));
    const v128_t t1 = wasm_i32x4_add(wasm_i32x4_shuffle(sums[2], sums[3], 0, 4, 1, 5),
                                     wasm_i32x4_shuffle(sums[2], sums[3], 2, 6, 3, 7));
    const v128_t all = wasm_i32x4_add(wasm_i32x4_shuffle(t0, t1, 0, 1, 4, 5), wasm_i32x4_shuffle(t0, t1, 2, 3, 6, 7));
    const F4 product = std::bit_cast<F4>(wasm_f32x4_convert_i32x4(all));
    put4(out + row, product * get4(matrix.scales + row) * splat(down));
  }
#else
  for (std::size_t row = 0; row < kGateRows; ++row) {
    const std::int8_t* w = matrix.values + row * kHidden;
    std::int32_t total = 0;
    for (std::size_t k = 0; k < kHidden; ++k) total += std::int32_t{w[k]} * rounded[k];
    out[row] = static_cast<float>(total) * matrix.scales[row] * down;
  }
#endif
}

void Gru::step(const float* x, float* hidden) const {
  alignas(16) std::array<float, kGateRows> fromInput;
  alignas(16) std::array<float, kGateRows> fromHidden;
  multiply(input, x, fromInput.data());
  multiply(recurrent, hidden, fromHidden.data());
  const float* recurrentBias = bias + kGateRows;
  const auto in = [&](std::size_t at) { return get4(fromInput.data() + at) + get4(bias + at); };
  const auto again = [&](std::size_t at) { return get4(fromHidden.data() + at) + get4(recurrentBias + at); };
  for (std::size_t i = 0; i < kHidden; i += kLanes) {
    const F4 update = sigmoid(in(i) + again(i));
    const F4 reset = sigmoid(in(kHidden + i) + again(kHidden + i));
    const F4 fresh = hyperbolicTangent(in(2 * kHidden + i) + reset * again(2 * kHidden + i));
    const F4 old = get4(hidden + i);
    put4(hidden + i, fresh + update * (old - fresh));
  }
}

}  // namespace siegel::denoise
