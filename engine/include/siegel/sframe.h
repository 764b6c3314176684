// SFrame (RFC 9605): header codec, key derivation and the AEADs of suites 1 to 5.
//
// Ownership: SFrameKey owns its secrets and wipes them. Not copyable. Threads: one at a time. No allocation anywhere.
// Cost: set() four HMACs or so and a key schedule; seal/open one pass for encryption, one for the tag.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "siegel/aes_gcm.h"
#include "siegel/kdf.h"
#include "siegel/result.h"
#include "siegel/secret.h"

namespace siegel {

inline constexpr std::size_t kMaxSFrameHeader = 17;  // RFC 9605 4.3: config byte, 8-byte KID, 8-byte CTR
inline constexpr std::size_t kMaxSFrameTag = 16;
inline constexpr std::size_t kMaxBaseKey = 64;

struct SFrameHeader {
  std::uint64_t kid = 0;
  std::uint64_t ctr = 0;
  std::size_t size = 0;
};

// Writes the header in its shortest form, the only legal one. Returns its size, 1..17.
std::size_t encodeSFrameHeader(std::uint64_t kid, std::uint64_t ctr, std::span<std::uint8_t, kMaxSFrameHeader> out);
// kMalformed: cut off, or a number that is not in its shortest form.
[[nodiscard]] Result<SFrameHeader> decodeSFrameHeader(std::span<const std::uint8_t> frame);

// Table 1 of RFC 9605 4.5.
struct SFrameSuite {
  int id;
  std::size_t hash;  // Nh
  std::size_t key;   // Nk, for the CTR suites encryption and authentication key together
  std::size_t tag;   // Nt
  bool gcm;
};
[[nodiscard]] const SFrameSuite* findSFrameSuite(int id);  // nullptr: not 1..5

// RFC 9605 5.1: the base key after `baseKey`. `next` gets suite.hash bytes.
[[nodiscard]] Error ratchetBaseKey(const SFrameSuite& suite, std::span<const std::uint8_t> baseKey,
                                   std::span<std::uint8_t> next);

class SFrameKey {
 public:
  SFrameKey() = default;
  SFrameKey(const SFrameKey&) = delete;
  SFrameKey& operator=(const SFrameKey&) = delete;
  ~SFrameKey() { clear(); }

  // kUnsupportedSuite; kInvalidKey unless baseKey has 1..kMaxBaseKey bytes. A refused key leaves the old one.
  [[nodiscard]] Error set(int suite, std::uint64_t kid, std::span<const std::uint8_t> baseKey);
  void clear();
  [[nodiscard]] bool isSet() const { return suite_ != nullptr; }
  [[nodiscard]] const SFrameSuite& suite() const { return *suite_; }

  // `text` is encrypted in place, `tag` gets suite().tag bytes. aad = header || metadata.
  void seal(std::uint64_t ctr, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text,
            std::span<std::uint8_t> tag);
  // Verifies first. kAuthentication leaves `text` as it was.
  [[nodiscard]] Error open(std::uint64_t ctr, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text,
                           std::span<const std::uint8_t> tag);

 private:
  void nonceFor(std::uint64_t ctr, std::span<std::uint8_t, 12> nonce) const;
  void hmacTag(std::span<const std::uint8_t, 12> nonce, std::span<const std::uint8_t> aad,
               std::span<const std::uint8_t> text, std::span<std::uint8_t, kSha256Size> mac) const;
  void applyCtr(std::span<const std::uint8_t, 12> nonce, std::span<std::uint8_t> text);

  const SFrameSuite* suite_ = nullptr;
  AesGcm aes_;
  SecretBytes<32> authKey_;
  SecretBytes<12> salt_;
};

}  // namespace siegel
