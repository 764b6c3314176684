#include "siegel/key_state.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "siegel/kdf.h"

namespace siegel {
namespace {

// lib-jitsi-meet modules/e2ee/crypto-utils.ts
constexpr std::string_view kJFrameKeySalt = "JFrameEncryptionKey";
constexpr std::string_view kJFrameRatchetSalt = "JFrameRatchetKey";
// livekit client-sdk-js src/e2ee/constants.ts
constexpr std::string_view kLiveKitSalt = "LKFrameEncryptionKey";
constexpr std::array<std::uint8_t, 128> kLiveKitInfo{};
constexpr std::uint32_t kLiveKitRounds = 100'000;

Bytes bytesOf(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

// LiveKit uses one derivation for both: the AES key is the beginning of the next material.
void splitChain(DerivedKey& out, std::uint8_t keySize = 16) {
  std::copy_n(out.next.span().begin(), keySize, out.key.span().begin());
  out.keySize = keySize;
}

// All lengths here are below HKDF's limit, so these calls cannot fail.
void deriveHkdf(Format format, Bytes material, std::uint8_t keySize, DerivedKey& out) {
  Error error = Error::kNone;
  if (format == Format::kJFrame) {
    error = hkdfSha256(material, bytesOf(kJFrameKeySalt), {}, out.key.span().first<16>());
    if (error == Error::kNone) error = hkdfSha256(material, bytesOf(kJFrameRatchetSalt), {}, out.next.span());
    out.keySize = 16;
  } else {
    error = hkdfSha256(material, bytesOf(kLiveKitSalt), kLiveKitInfo, out.next.span());
    splitChain(out, keySize);
  }
  out.canRatchet = error == Error::kNone;
}

}  // namespace

void DerivedKey::wipe() {
  key.wipe();
  next.wipe();
  keySize = 0;
  canRatchet = false;
}

void DerivedKey::assign(const DerivedKey& from) {
  key.assign(from.key.span());
  next.assign(from.next.span());
  keySize = from.keySize;
  canRatchet = from.canRatchet;
}

Error deriveKey(Format format, Derivation derivation, Bytes material, DerivedKey& out) {
  out.wipe();
  if (material.empty() || material.size() > kMaxMaterial) return Error::kInvalidKey;
  switch (derivation) {
    case Derivation::kHkdf:
      deriveHkdf(format, material, 16, out);
      return Error::kNone;
    case Derivation::kPbkdf2: {
      if (format != Format::kLiveKit) return Error::kInvalidArgument;
      const Error error = pbkdf2Sha256(material, bytesOf(kLiveKitSalt), kLiveKitRounds, out.next.span());
      if (error != Error::kNone) return error;
      splitChain(out);
      out.next.wipe();  // a trial ratchet would cost 100,000 rounds for each forged frame
      return Error::kNone;
    }
    case Derivation::kRaw:
      if (material.size() != 16 && material.size() != 24 && material.size() != 32) return Error::kInvalidKey;
      std::copy(material.begin(), material.end(), out.key.span().begin());
      out.keySize = static_cast<std::uint8_t>(material.size());
      return Error::kNone;
    case Derivation::kChain:
    case Derivation::kChain256:
      if (format != Format::kLiveKit) return Error::kInvalidArgument;
      if (material.size() != 32) return Error::kInvalidKey;
      std::copy(material.begin(), material.end(), out.next.span().begin());
      splitChain(out, derivation == Derivation::kChain ? 16 : 32);
      out.canRatchet = true;
      return Error::kNone;
  }
  return Error::kInvalidArgument;
}

Fingerprint fingerprintOf(const DerivedKey& key) {
  Fingerprint out{};
  hmacSha256(bytesOf("Siegel key fingerprint"), key.key.span().first(key.keySize), out);
  return out;
}

void deriveNext(Format format, const DerivedKey& from, DerivedKey& out) {
  // `out` may be `from`'s neighbour but not itself; the material is copied because deriveHkdf writes key before next.
  SecretBytes<32> material;
  material.assign(from.next.span());
  const std::uint8_t keySize = from.keySize;
  out.wipe();
  deriveHkdf(format, material.span(), keySize, out);
}

}  // namespace siegel
