#include "siegel/kdf.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "siegel/secret.h"

namespace siegel {
namespace {

static_assert(sizeof(crypto_auth_hmacsha256_state) == 208 && alignof(crypto_auth_hmacsha256_state) <= 8);
static_assert(sizeof(crypto_auth_hmacsha512_state) == 416 && alignof(crypto_auth_hmacsha512_state) <= 8);

crypto_auth_hmacsha256_state* state256(std::uint8_t* storage) {
  return reinterpret_cast<crypto_auth_hmacsha256_state*>(storage);
}

crypto_auth_hmacsha512_state* state512(std::uint8_t* storage) {
  return reinterpret_cast<crypto_auth_hmacsha512_state*>(storage);
}

// libsodium takes the context as char*; the bytes are the same.
const char* asChars(Bytes bytes) { return reinterpret_cast<const char*>(bytes.data()); }

}  // namespace

void HmacSha256::init(Bytes key) { crypto_auth_hmacsha256_init(state256(state_), key.data(), key.size()); }

void HmacSha256::update(Bytes message) {
  crypto_auth_hmacsha256_update(state256(state_), message.data(), message.size());
}

void HmacSha256::final(std::span<std::uint8_t, kSha256Size> mac) {
  crypto_auth_hmacsha256_final(state256(state_), mac.data());
  clear();
}

void HmacSha256::clear() { memzero(state_); }

void HmacSha512::init(Bytes key) { crypto_auth_hmacsha512_init(state512(state_), key.data(), key.size()); }

void HmacSha512::update(Bytes message) {
  crypto_auth_hmacsha512_update(state512(state_), message.data(), message.size());
}

void HmacSha512::final(std::span<std::uint8_t, kSha512Size> mac) {
  crypto_auth_hmacsha512_final(state512(state_), mac.data());
  clear();
}

void HmacSha512::clear() { memzero(state_); }

void hmacSha256(Bytes key, Bytes message, std::span<std::uint8_t, kSha256Size> mac) {
  HmacSha256 hmac(key);
  hmac.update(message);
  hmac.final(mac);
}

void hmacSha512(Bytes key, Bytes message, std::span<std::uint8_t, kSha512Size> mac) {
  HmacSha512 hmac(key);
  hmac.update(message);
  hmac.final(mac);
}

// HMAC pads a short key with zeros, so an empty salt and HashLen zeros are the same key.
void hkdfExtractSha256(Bytes salt, Bytes inputKey, std::span<std::uint8_t, kSha256Size> prk) {
  crypto_kdf_hkdf_sha256_extract(prk.data(), salt.data(), salt.size(), inputKey.data(), inputKey.size());
}

void hkdfExtractSha512(Bytes salt, Bytes inputKey, std::span<std::uint8_t, kSha512Size> prk) {
  crypto_kdf_hkdf_sha512_extract(prk.data(), salt.data(), salt.size(), inputKey.data(), inputKey.size());
}

Error hkdfExpandSha256(std::span<const std::uint8_t, kSha256Size> prk, Bytes info, MutableBytes out) {
  if (out.size() > 255 * kSha256Size) return Error::kInvalidArgument;
  if (out.empty()) return Error::kNone;
  const int rc = crypto_kdf_hkdf_sha256_expand(out.data(), out.size(), asChars(info), info.size(), prk.data());
  return rc == 0 ? Error::kNone : Error::kInvalidArgument;
}

Error hkdfExpandSha512(std::span<const std::uint8_t, kSha512Size> prk, Bytes info, MutableBytes out) {
  if (out.size() > 255 * kSha512Size) return Error::kInvalidArgument;
  if (out.empty()) return Error::kNone;
  const int rc = crypto_kdf_hkdf_sha512_expand(out.data(), out.size(), asChars(info), info.size(), prk.data());
  return rc == 0 ? Error::kNone : Error::kInvalidArgument;
}

Error hkdfSha256(Bytes inputKey, Bytes salt, Bytes info, MutableBytes out) {
  SecretBytes<kSha256Size> prk;
  hkdfExtractSha256(salt, inputKey, prk.span());
  return hkdfExpandSha256(prk.span(), info, out);
}

Error hkdfSha512(Bytes inputKey, Bytes salt, Bytes info, MutableBytes out) {
  SecretBytes<kSha512Size> prk;
  hkdfExtractSha512(salt, inputKey, prk.span());
  return hkdfExpandSha512(prk.span(), info, out);
}

Error pbkdf2Sha256(Bytes password, Bytes salt, std::uint32_t rounds, MutableBytes out) {
  if (rounds == 0 || out.size() > kPbkdf2MaxOut) return Error::kInvalidArgument;
  const HmacSha256 keyed(password);
  HmacSha256 salted = keyed;  // the salt is the same for each block of output
  salted.update(salt);
  SecretBytes<kSha256Size> u;
  SecretBytes<kSha256Size> sum;
  std::uint32_t index = 0;
  while (!out.empty()) {
    ++index;
    const std::array<std::uint8_t, 4> counter = {
        static_cast<std::uint8_t>(index >> 24), static_cast<std::uint8_t>(index >> 16),
        static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index)};
    HmacSha256 hmac = salted;
    hmac.update(counter);
    hmac.final(u.span());
    sum.assign(u.span());
    for (std::uint32_t round = 1; round < rounds; ++round) {
      hmac = keyed;
      hmac.update(u.span());
      hmac.final(u.span());
      for (std::size_t i = 0; i < kSha256Size; ++i) sum.span()[i] ^= u.span()[i];
    }
    const std::size_t n = std::min(out.size(), kSha256Size);
    std::copy_n(sum.span().begin(), n, out.begin());
    out = out.subspan(n);
  }
  return Error::kNone;
}

}  // namespace siegel
