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

using AesGcm = scalar::AesGcm;

}  // namespace siegel
