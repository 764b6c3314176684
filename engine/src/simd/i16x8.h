// Eight 16-bit numbers at once, beside f32x4.h: the compilers' vector type, and what only an instruction does well.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "simd/f32x4.h"

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

namespace siegel {

using Short8 = std::int16_t __attribute__((vector_size(16)));
using UShort8 = std::uint16_t __attribute__((vector_size(16)));
using Byte8 = std::uint8_t __attribute__((vector_size(8)));

inline Short8 splat8(std::int16_t x) { return Short8{x, x, x, x, x, x, x, x}; }
inline Short8 get8(const std::int16_t* from) {
  Short8 x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
inline void put8(std::int16_t* to, Short8 x) { std::memcpy(to, &x, sizeof x); }
// From eight bytes, and the lower bytes again.
inline Short8 widen8(const std::uint8_t* from) {
  Byte8 x;
  std::memcpy(&x, from, sizeof x);
  return __builtin_convertvector(x, Short8);
}
inline void narrow8(std::uint8_t* to, Short8 x) {
  const Byte8 bytes = __builtin_convertvector(x, Byte8);
  std::memcpy(to, &bytes, sizeof bytes);
}
inline Short8 least(Short8 a, Short8 b) { return a < b ? a : b; }
inline Short8 most(Short8 a, Short8 b) { return a > b ? a : b; }
// Two numbers, four times.
inline Short8 splatPair(const std::int16_t* pair) {
  std::int32_t both = 0;
  std::memcpy(&both, pair, sizeof both);
  return std::bit_cast<Short8>(I4{both, both, both, both});
}

// a * b / 32768, rounded; saturates.
inline Short8 multiply15(Short8 a, Short8 b) {
#ifdef __wasm_simd128__
  return Short8(wasm_i16x8_q15mulr_sat(v128_t(a), v128_t(b)));
#else
  Short8 result{};
  for (int lane = 0; lane < 8; ++lane) {
    const std::int32_t product = (std::int32_t{a[lane]} * b[lane] + 0x4000) >> 15;
    result[lane] = static_cast<std::int16_t>(product > 0x7FFF ? 0x7FFF : product);
  }
  return result;
#endif
}
// Products of pairs, added: a[2 n] * b[2 n] + a[2 n + 1] * b[2 n + 1].
inline I4 dotPairs(Short8 a, Short8 b) {
#ifdef __wasm_simd128__
  return I4(wasm_i32x4_dot_i16x8(v128_t(a), v128_t(b)));
#else
  I4 result{};
  for (int lane = 0; lane < 4; ++lane)
    result[lane] = std::int32_t{a[2 * lane]} * b[2 * lane] + std::int32_t{a[2 * lane + 1]} * b[2 * lane + 1];
  return result;
#endif
}
// To the nearest whole numbers, ties to even. REQUIRES: numbers that 16 bits hold.
inline Short8 rounded(F4 low, F4 high) {
  // Adding and taking away 1.5 * 2^23 rounds.
  constexpr float kRound = 12582912.0F;
  const I4 a = __builtin_convertvector((low + splat(kRound)) - splat(kRound), I4);
  const I4 b = __builtin_convertvector((high + splat(kRound)) - splat(kRound), I4);
#ifdef __wasm_simd128__
  return Short8(wasm_i16x8_narrow_i32x4(v128_t(a), v128_t(b)));
#else
  Short8 result{};
  for (int lane = 0; lane < 4; ++lane) {
    result[lane] = static_cast<std::int16_t>(a[lane]);
    result[lane + 4] = static_cast<std::int16_t>(b[lane]);
  }
  return result;
#endif
}

}  // namespace siegel
