// The kernels behind siegel::AesGcm. The shared contract of both classes is in aes_gcm.h; include that one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "siegel/result.h"

// The vector kernel needs 16-byte byte shuffles: WASM SIMD128, or SSSE3 (every x86-64 machine since 2006; the kernel's
// source turns it on for itself, so callers need no compiler flag).
#if defined(__wasm_simd128__) || defined(__x86_64__)
#define SIEGEL_HAS_SIMD_AES 1
#else
#define SIEGEL_HAS_SIMD_AES 0
#endif

namespace siegel {

namespace scalar {

// Portable reference: byte-parallel arithmetic in 64-bit words for AES, bit by bit for GHASH. Written to be read and to
// be checked against, not to be fast (a few MB/s).
class AesGcm {
 public:
  AesGcm() = default;
  AesGcm(const AesGcm&) = delete;
  AesGcm& operator=(const AesGcm&) = delete;
  ~AesGcm() { clear(); }

  [[nodiscard]] Error setKey(std::span<const std::uint8_t> key);
  [[nodiscard]] bool hasKey() const { return rounds_ != 0; }
  void clear();
  void seal(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTag tag);
  [[nodiscard]] Error open(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text,
                           GcmTagView tag);
  [[nodiscard]] bool verify(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text,
                            GcmTagView tag);
  void ctr(std::span<const std::uint8_t, 16> counterBlock, std::span<std::uint8_t> text);

 private:
  // Two words hold one block: byte i of the block is bits 8i..8i+7 of word i / 8.
  struct Block {
    std::uint64_t word[2];
  };
  [[nodiscard]] Block encrypt(Block in) const;
  void computeTag(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text,
                  std::span<std::uint8_t, kGcmTagSize> tag) const;

  std::array<Block, 15> roundKeys_{};
  std::array<std::uint64_t, 2> h_{};  // the hash key, big endian halves
  int rounds_ = 0;                    // 10, 12 or 14; 0 without a key
};

}  // namespace scalar

#if SIEGEL_HAS_SIMD_AES
namespace simd {

// Vector-permute AES and GHASH by transposed nibble tables; docs/crypto-kernels.md says how and how fast.
// 5.9 KB an object, most of it the tables of the hash key's powers 1..8, built when a frame is first long enough to
// need them. setKey costs about a microsecond.
class AesGcm {
 public:
  AesGcm() = default;
  AesGcm(const AesGcm&) = delete;
  AesGcm& operator=(const AesGcm&) = delete;
  ~AesGcm() { clear(); }

  [[nodiscard]] Error setKey(std::span<const std::uint8_t> key);
  [[nodiscard]] bool hasKey() const { return rounds_ != 0; }
  void clear();
  void seal(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTag tag);
  [[nodiscard]] Error open(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text,
                           GcmTagView tag);
  [[nodiscard]] bool verify(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text,
                            GcmTagView tag);
  void ctr(std::span<const std::uint8_t, 16> counterBlock, std::span<std::uint8_t> text);

  // For aes_gcm_simd.cc only (the vector code is free functions, which need to see the schedule).
  static constexpr int kPowers = 8;
  struct Schedule {
    alignas(16) std::uint8_t roundKeys[15][16];        // tower coordinates, layout of their round; the last one plain
    alignas(16) std::uint8_t lowKey[16];               // the key byte under the counter's lowest byte, in all lanes
    alignas(16) std::uint8_t bitKeys[12][8][16];       // rounds 3 to the last, for the bit-sliced code
    alignas(16) std::uint8_t power[16];                // the highest power of the hash key that has a table
    alignas(16) std::uint8_t tables[kPowers][32][16];  // [p]: hash key to the p + 1
  };

 private:
  void needPowers(std::size_t blocks);

  Schedule schedule_ = {};
  int rounds_ = 0;  // 10, 12 or 14; 0 without a key
  int powers_ = 0;  // tables built
};

}  // namespace simd
#endif

#if SIEGEL_HAS_SIMD_AES && !defined(SIEGEL_SCALAR_AES)
using AesGcm = simd::AesGcm;
#else
using AesGcm = scalar::AesGcm;
#endif

}  // namespace siegel
