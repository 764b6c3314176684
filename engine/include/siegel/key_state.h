// One AES-GCM key of a trailer format (JFrame, LiveKit) with its way forward.
//
// The material itself is not kept: at set-up it becomes the AES key of this generation and, where the format can
// ratchet, the material of the next one. Both labels are one-way, so an older generation cannot be computed from a
// later one. (LiveKit's labels are weaker: its AES key is the first half of the next material. That is the format, not
// a choice.) Ownership: owns its secrets, wipes them in clear() and its destructor. Not copyable. Threads: one at a
// time. Cost: set() two HKDFs and a key schedule (PBKDF2: 100,000 rounds); the frame path never derives.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "siegel/aes_gcm.h"
#include "siegel/frame.h"
#include "siegel/result.h"
#include "siegel/secret.h"

namespace siegel {

inline constexpr std::size_t kMaxMaterial = 4096;

// What a key is before it becomes a cipher: derived bytes only.
struct DerivedKey {
  SecretBytes<32> key;   // first keySize bytes count
  SecretBytes<32> next;  // material of the next generation, where canRatchet
  std::uint8_t keySize = 0;
  bool canRatchet = false;

  void wipe();
  void assign(const DerivedKey& from);  // copy on purpose
};

// Derives generation 0 from an application's key material. kInvalidKey: empty, over kMaxMaterial, or a raw key that is
// not 16, 24 or 32 bytes, or a chain that is not 32; kInvalidArgument: a derivation that the format does not have.
[[nodiscard]] Error deriveKey(Format format, Derivation derivation, std::span<const std::uint8_t> material,
                              DerivedKey& out);
// Recognises a key that was set before without keeping it: a keyed hash of generation 0's AES key. After a ratchet the
// AES key itself must be gone, or whoever reads this memory opens what was recorded earlier.
inline constexpr std::size_t kFingerprintSize = 32;
using Fingerprint = std::array<std::uint8_t, kFingerprintSize>;
[[nodiscard]] Fingerprint fingerprintOf(const DerivedKey& key);

// Derives the generation after `from` (HKDF formats). REQUIRES: from.canRatchet.
void deriveNext(Format format, const DerivedKey& from, DerivedKey& out);

}  // namespace siegel
