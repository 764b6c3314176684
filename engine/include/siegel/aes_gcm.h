// AES-128/192/256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags, and AES-CTR for SFrame suites 1-3.
//
// Constant time: no table is indexed by, and no branch depends on, key, plaintext or tag bits. Lengths are public.
// Two kernels implement it, chosen at compile time by cmake: `scalar` (portable reference) and `simd` (one source over
// the thin vector wrapper in src/simd/v128.h: WASM SIMD128, WASM relaxed SIMD, x86 SSSE3 for native sanitizer runs).
// Both are always built side by side in native test builds, under siegel::scalar and siegel::simd, so that tests can
// compare them; `siegel::AesGcm` is an alias of the one the build uses.
//
// Ownership: the object owns its key schedule and H powers (a fixed-size member block, no heap). It wipes them in
// clear() and in its destructor. Not copyable. Threads: distinct objects are independent; const calls may run in
// parallel. Cost: setKey one key schedule; H powers beyond the first are built when a frame first needs them (so
// seal/open are not const). seal/open touch each byte once in place, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "siegel/result.h"

namespace siegel {

inline constexpr std::size_t kGcmNonceSize = 12;
inline constexpr std::size_t kGcmTagSize = 16;
using GcmNonce = std::span<const std::uint8_t, kGcmNonceSize>;
using GcmTag = std::span<std::uint8_t, kGcmTagSize>;
using GcmTagView = std::span<const std::uint8_t, kGcmTagSize>;

// The interface each kernel provides. (Documented here once; scalar::AesGcm and simd::AesGcm have exactly this shape.)
//
// Error setKey(std::span<const std::uint8_t> key)
//     16, 24 or 32 bytes, else kInvalidKey. Replaces and wipes the old key.
//
// bool hasKey() const
//
// void clear()
//     wipes everything
//
// void seal(GcmNonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTag tag)
//     encrypts `text` in place, writes the tag. REQUIRES: hasKey(), text.size() < 2^36 - 32.
//
// Error open(GcmNonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTagView tag);
//     verifies first (GHASH over the ciphertext, constant-time compare), decrypts in place only when it verified.
//     kAuthentication leaves `text` untouched.
//
// bool verify(GcmNonce, aad, std::span<const std::uint8_t> text, GcmTagView tag)
//     tag check alone, nothing written
//
// void ctr(std::span<const std::uint8_t, 16> counterBlock, std::span<std::uint8_t> text);
//     AES-CTR with a 32-bit big-endian counter in the last 4 bytes of the block; no GHASH tables needed or built.

}  // namespace siegel

#include "siegel/aes_gcm_kernels.h"  // defines scalar::AesGcm, simd::AesGcm (where built) and the alias siegel::AesGcm
