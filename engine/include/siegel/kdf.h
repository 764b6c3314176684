// Key derivation and message authentication over libsodium: HMAC (RFC 2104), HKDF (RFC 5869), PBKDF2 (RFC 8018 5.2).
//
// All of them are constant time in the contents of keys and messages; lengths are public. Outputs go to caller-owned
// buffers, which must not overlap the inputs unless said otherwise. No heap. Intermediate values are wiped.
// Threads: free functions are reentrant; an Hmac object belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "siegel/result.h"

namespace siegel {

inline constexpr std::size_t kSha256Size = 32;
inline constexpr std::size_t kSha512Size = 64;
using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// HMAC in pieces. init(key) of any length, update() any number of times, then final(). A copy taken after init(key)
// is a prepared key: it saves two compressions for each message. Wipes itself in clear(), final() and its destructor.
// REQUIRES: init before update/final. Cost: one compression per 64 (SHA-256) or 128 bytes (SHA-512), plus two.
class HmacSha256 {
 public:
  HmacSha256() = default;
  explicit HmacSha256(Bytes key) { init(key); }
  HmacSha256(const HmacSha256&) = default;
  HmacSha256& operator=(const HmacSha256&) = default;
  ~HmacSha256() { clear(); }
  void init(Bytes key);
  void update(Bytes message);
  void final(std::span<std::uint8_t, kSha256Size> mac);
  void clear();

 private:
  alignas(8) std::uint8_t state_[208] = {};
};

class HmacSha512 {
 public:
  HmacSha512() = default;
  explicit HmacSha512(Bytes key) { init(key); }
  HmacSha512(const HmacSha512&) = default;
  HmacSha512& operator=(const HmacSha512&) = default;
  ~HmacSha512() { clear(); }
  void init(Bytes key);
  void update(Bytes message);
  void final(std::span<std::uint8_t, kSha512Size> mac);
  void clear();

 private:
  alignas(8) std::uint8_t state_[416] = {};
};

// One-shot HMAC. `mac` may overlap `message` or `key`: it is written last.
void hmacSha256(Bytes key, Bytes message, std::span<std::uint8_t, kSha256Size> mac);
void hmacSha512(Bytes key, Bytes message, std::span<std::uint8_t, kSha512Size> mac);

// RFC 5869 2.2. An empty salt means HashLen zeros, as the RFC says.
void hkdfExtractSha256(Bytes salt, Bytes inputKey, std::span<std::uint8_t, kSha256Size> prk);
void hkdfExtractSha512(Bytes salt, Bytes inputKey, std::span<std::uint8_t, kSha512Size> prk);

// RFC 5869 2.3. kInvalidArgument (and `out` untouched) when more than 255 * HashLen bytes are asked for.
[[nodiscard]] Error hkdfExpandSha256(std::span<const std::uint8_t, kSha256Size> prk, Bytes info, MutableBytes out);
[[nodiscard]] Error hkdfExpandSha512(std::span<const std::uint8_t, kSha512Size> prk, Bytes info, MutableBytes out);

// Extract and expand in one; any salt, info and length up to 255 * HashLen, else kInvalidArgument.
[[nodiscard]] Error hkdfSha256(Bytes inputKey, Bytes salt, Bytes info, MutableBytes out);
[[nodiscard]] Error hkdfSha512(Bytes inputKey, Bytes salt, Bytes info, MutableBytes out);

// PBKDF2 with HMAC-SHA256. kInvalidArgument when rounds is 0 or out is longer than kPbkdf2MaxOut (far below the RFC's
// limit of 2^32 - 1 blocks, far above what a key needs).
inline constexpr std::size_t kPbkdf2MaxOut = 255 * kSha256Size;
// Cost: two compressions for each round and 32 bytes of output (100,000 rounds: tens of milliseconds).
[[nodiscard]] Error pbkdf2Sha256(Bytes password, Bytes salt, std::uint32_t rounds, MutableBytes out);

}  // namespace siegel
