// Four floats at once: the compilers' vector type, which becomes SIMD128 in WebAssembly and SSE or NEON natively.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace siegel {

using F4 = float __attribute__((vector_size(16)));
using I4 = std::int32_t __attribute__((vector_size(16)));

inline constexpr std::size_t kLanes = 4;

inline F4 splat(float x) { return F4{x, x, x, x}; }
inline F4 get4(const float* from) {
  F4 x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
inline void put4(float* to, F4 x) { std::memcpy(to, &x, sizeof x); }
inline F4 larger(F4 a, F4 b) { return a > b ? a : b; }
inline F4 smaller(F4 a, F4 b) { return a < b ? a : b; }
inline F4 relu4(F4 x) { return larger(x, splat(0)); }
// a * b + c; with relaxed SIMD in one instruction, where the processor has it.
inline F4 multiplyAdd(F4 a, F4 b, F4 c) {
#if defined(__wasm_relaxed_simd__)
  return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
#else
  return a * b + c;
#endif
}
inline float sum(F4 x) { return (x[0] + x[1]) + (x[2] + x[3]); }

// e^x for |x| <= 40 (beyond that as at 40): 2^n times the Taylor series of 2^f, |f| <= 1/2, to the sixth power.
// Relative error below 4e-7 near zero, and 8e-8 |x| more, because x / ln 2 is rounded.
inline F4 exponential(F4 x) {
  constexpr float kLog2e = 1.4426950408889634F;
  constexpr std::array<float, 7> kSeries = {1.0F,           0.69314718056F, 0.24022650696F, 0.05550410866F,
                                            0.00961812911F, 0.00133335581F, 0.00015403530F};
  const F4 y = smaller(larger(x, splat(-40)), splat(40)) * splat(kLog2e);
  // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
  constexpr float kRound = 12582912.0F;
  const F4 rounded = (y + splat(kRound)) - splat(kRound);
  const F4 f = y - rounded;
  F4 p = splat(kSeries[6]);
  for (std::size_t power = 6; power-- > 0;) p = p * f + splat(kSeries[power]);
  const I4 exponent = (__builtin_convertvector(rounded, I4) + 127) << 23;
  return p * std::bit_cast<F4>(exponent);
}
inline F4 sigmoid(F4 x) { return splat(1) / (splat(1) + exponential(-x)); }
inline F4 hyperbolicTangent(F4 x) { return splat(1) - splat(2) / (exponential(x + x) + splat(1)); }

}  // namespace siegel
