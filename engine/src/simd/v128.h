// The few 16-byte vector operations that the kernels need, over three instruction sets:
//   WASM SIMD128            lookup = i8x16.swizzle
//   WASM relaxed SIMD       lookup = i8x16.relaxed_swizzle (on x86 one instruction less for each lookup)
//   x86-64 SSSE3            lookup = pshufb, so that the same source runs under the native sanitizers
// Lanes are in memory order: lane 0 is the byte at the lowest address. `^`, `&` and `|` are the compiler's own.
//
// Every function that takes or returns a Vec by value must be SIEGEL_VECTOR: it carries the target attribute (SSSE3 is
// not in the x86-64 baseline) and is inlined, so no calling convention for vectors is involved.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define SIEGEL_VECTOR_TARGET
#elif defined(__x86_64__)
#include <tmmintrin.h>
#define SIEGEL_VECTOR_TARGET __attribute__((target("ssse3")))
#else
#error "no vector instruction set"
#endif

#define SIEGEL_VECTOR SIEGEL_VECTOR_TARGET __attribute__((always_inline)) inline

namespace siegel::v128 {

#if defined(__wasm_simd128__)

using Vec = v128_t;

SIEGEL_VECTOR Vec load(const void* p) { return wasm_v128_load(p); }
SIEGEL_VECTOR void store(void* p, Vec v) { wasm_v128_store(p, v); }
SIEGEL_VECTOR Vec zero() { return wasm_i64x2_const_splat(0); }
SIEGEL_VECTOR Vec make(std::uint64_t low, std::uint64_t high) { return wasm_u64x2_make(low, high); }
SIEGEL_VECTOR std::uint64_t low64(Vec v) { return wasm_u64x2_extract_lane(v, 0); }
SIEGEL_VECTOR std::uint64_t high64(Vec v) { return wasm_u64x2_extract_lane(v, 1); }
SIEGEL_VECTOR Vec splat8(std::uint8_t b) { return wasm_u8x16_splat(b); }
SIEGEL_VECTOR Vec splat32(std::uint32_t w) { return wasm_u32x4_splat(w); }
SIEGEL_VECTOR Vec add8(Vec a, Vec b) { return wasm_i8x16_add(a, b); }

SIEGEL_VECTOR Vec equal8(Vec a, Vec b) { return wasm_i8x16_eq(a, b); }

// Shifts of 16-bit lanes; the caller masks what crosses a byte. (Shifts of 8-bit lanes would cost an extra mask on x86,
// which has none.)
template <unsigned kBits>
SIEGEL_VECTOR Vec shiftRight(Vec v) {
  return wasm_u16x8_shr(v, kBits);
}
template <unsigned kBits>
SIEGEL_VECTOR Vec shiftLeft(Vec v) {
  return wasm_i16x8_shl(v, kBits);
}

// Words (four lanes each) moved down by one or two places, the lowest ones to the top.
SIEGEL_VECTOR Vec rotateWords1(Vec v) { return wasm_i32x4_shuffle(v, v, 1, 2, 3, 0); }
SIEGEL_VECTOR Vec rotateWords2(Vec v) { return wasm_i32x4_shuffle(v, v, 2, 3, 0, 1); }

// Lane i of the result is table[index[i]], or 0 where bit 7 of index[i] is set. Index bytes must be 0..15 or have bit 7
// set; for others the instruction sets disagree.
SIEGEL_VECTOR Vec lookup(Vec table, Vec index) {
#if defined(__wasm_relaxed_simd__)
  return wasm_i8x16_relaxed_swizzle(table, index);
#else
  return wasm_i8x16_swizzle(table, index);
#endif
}

// Bytes 15..30 of the 32 bytes low ++ high: `high` moved up by one lane, filled from the top of `low`.
SIEGEL_VECTOR Vec shiftUpOne(Vec low, Vec high) {
  return wasm_i8x16_shuffle(low, high, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

SIEGEL_VECTOR Vec interleaveLow8(Vec a, Vec b) {
  return wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
SIEGEL_VECTOR Vec interleaveHigh8(Vec a, Vec b) {
  return wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
SIEGEL_VECTOR Vec interleaveLow16(Vec a, Vec b) { return wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
SIEGEL_VECTOR Vec interleaveHigh16(Vec a, Vec b) { return wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }

#else

using Vec = __m128i;

SIEGEL_VECTOR Vec load(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
SIEGEL_VECTOR void store(void* p, Vec v) { _mm_storeu_si128(static_cast<__m128i*>(p), v); }
SIEGEL_VECTOR Vec zero() { return _mm_setzero_si128(); }
SIEGEL_VECTOR Vec make(std::uint64_t low, std::uint64_t high) {
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
SIEGEL_VECTOR std::uint64_t low64(Vec v) { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(v)); }
SIEGEL_VECTOR std::uint64_t high64(Vec v) {
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_srli_si128(v, 8)));
}
SIEGEL_VECTOR Vec splat8(std::uint8_t b) { return _mm_set1_epi8(static_cast<char>(b)); }
SIEGEL_VECTOR Vec splat32(std::uint32_t w) { return _mm_set1_epi32(static_cast<int>(w)); }
SIEGEL_VECTOR Vec add8(Vec a, Vec b) { return _mm_add_epi8(a, b); }
SIEGEL_VECTOR Vec equal8(Vec a, Vec b) { return _mm_cmpeq_epi8(a, b); }
template <unsigned kBits>
SIEGEL_VECTOR Vec shiftRight(Vec v) {
  return _mm_srli_epi16(v, kBits);
}
template <unsigned kBits>
SIEGEL_VECTOR Vec shiftLeft(Vec v) {
  return _mm_slli_epi16(v, kBits);
}
SIEGEL_VECTOR Vec rotateWords1(Vec v) { return _mm_shuffle_epi32(v, 0x39); }
SIEGEL_VECTOR Vec rotateWords2(Vec v) { return _mm_shuffle_epi32(v, 0x4E); }
SIEGEL_VECTOR Vec lookup(Vec table, Vec index) { return _mm_shuffle_epi8(table, index); }
SIEGEL_VECTOR Vec shiftUpOne(Vec low, Vec high) { return _mm_alignr_epi8(high, low, 15); }
SIEGEL_VECTOR Vec interleaveLow8(Vec a, Vec b) { return _mm_unpacklo_epi8(a, b); }
SIEGEL_VECTOR Vec interleaveHigh8(Vec a, Vec b) { return _mm_unpackhi_epi8(a, b); }
SIEGEL_VECTOR Vec interleaveLow16(Vec a, Vec b) { return _mm_unpacklo_epi16(a, b); }
SIEGEL_VECTOR Vec interleaveHigh16(Vec a, Vec b) { return _mm_unpackhi_epi16(a, b); }

#endif

// Hides from the optimiser where `p` points. Without it the tables behind it would be folded into the code as vector
// literals, which V8 rebuilds from four scalar instructions at every use; loads from memory are much cheaper.
template <typename T>
inline const T* opaque(const T* p) {
  __asm__("" : "+r"(p));
  return p;
}

// Zero, but the optimiser cannot know: stores of it stay stores (rather than a call of memset).
SIEGEL_VECTOR Vec opaqueZero() {
  alignas(16) static constexpr std::uint8_t kZeros[16] = {};
  return load(opaque(&kZeros[0]));
}

}  // namespace siegel::v128
