#include "siegel/sframe.h"

#include <algorithm>
#include <string_view>

namespace siegel {
namespace {

constexpr std::array<SFrameSuite, 5> kSuites = {{
    {1, 32, 48, 10, false},
    {2, 32, 48, 8, false},
    {3, 32, 48, 4, false},
    {4, 32, 16, 16, true},
    {5, 64, 32, 16, true},
}};
constexpr std::size_t kCtrEncKey = 16;

Bytes bytesOf(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

void putBig(std::uint8_t* out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
}

std::size_t bytesFor(std::uint64_t value) {
  std::size_t size = 1;
  while (size < 8 && (value >> (8 * size)) != 0) ++size;
  return size;
}

// HKDF with the hash of the suite.
void extract(const SFrameSuite& suite, Bytes inputKey, std::span<std::uint8_t, kSha512Size> prk) {
  if (suite.hash == kSha256Size) {
    hkdfExtractSha256({}, inputKey, prk.first<kSha256Size>());
  } else {
    hkdfExtractSha512({}, inputKey, prk);
  }
}

Error expand(const SFrameSuite& suite, std::span<const std::uint8_t, kSha512Size> prk, Bytes info, MutableBytes out) {
  return suite.hash == kSha256Size ? hkdfExpandSha256(prk.first<kSha256Size>(), info, out)
                                   : hkdfExpandSha512(prk, info, out);
}

// RFC 9605 4.4.2: label || BE64(KID) || BE16(suite).
Error expandLabelled(const SFrameSuite& suite, std::span<const std::uint8_t, kSha512Size> prk, std::string_view label,
                     std::uint64_t kid, MutableBytes out) {
  std::array<std::uint8_t, 40> info{};
  std::copy(label.begin(), label.end(), info.begin());
  putBig(info.data() + label.size(), kid, 8);
  putBig(info.data() + label.size() + 8, static_cast<std::uint64_t>(suite.id), 2);
  return expand(suite, prk, std::span(info).first(label.size() + 10), out);
}

}  // namespace

std::size_t encodeSFrameHeader(std::uint64_t kid, std::uint64_t ctr, std::span<std::uint8_t, kMaxSFrameHeader> out) {
  std::size_t size = 1;
  std::uint8_t config = 0;
  // Numbers below 8 live in the config byte; others follow it, and the byte holds their length minus one.
  if (kid < 8) {
    config = static_cast<std::uint8_t>(kid << 4);
  } else {
    const std::size_t n = bytesFor(kid);
    config = static_cast<std::uint8_t>(0x80U | ((n - 1) << 4));
    putBig(out.data() + size, kid, n);
    size += n;
  }
  if (ctr < 8) {
    config = static_cast<std::uint8_t>(config | ctr);
  } else {
    const std::size_t n = bytesFor(ctr);
    config = static_cast<std::uint8_t>(config | 0x08U | (n - 1));
    putBig(out.data() + size, ctr, n);
    size += n;
  }
  out[0] = config;
  return size;
}

Result<SFrameHeader> decodeSFrameHeader(Bytes frame) {
  if (frame.empty()) return Error::kMalformed;
  const std::uint8_t config = frame[0];
  SFrameHeader header;
  header.size = 1;
  const auto number = [&](bool extended, unsigned low, std::uint64_t& value) {
    if (!extended) {
      value = low;
      return true;
    }
    const std::size_t n = low + 1;
    if (frame.size() - header.size < n) return false;
    value = 0;
    for (std::size_t i = 0; i < n; ++i) value = (value << 8) | frame[header.size + i];
    header.size += n;
    return value >= 8 && bytesFor(value) == n;
  };
  if (!number((config & 0x80) != 0, (config >> 4) & 7U, header.kid)) return Error::kMalformed;
  if (!number((config & 0x08) != 0, config & 7U, header.ctr)) return Error::kMalformed;
  return header;
}

const SFrameSuite* findSFrameSuite(int id) {
  const auto* found = std::find_if(kSuites.begin(), kSuites.end(), [id](const SFrameSuite& s) { return s.id == id; });
  return found == kSuites.end() ? nullptr : found;
}

Error ratchetBaseKey(const SFrameSuite& suite, Bytes baseKey, MutableBytes next) {
  SecretBytes<kSha512Size> prk;
  extract(suite, baseKey, prk.span());
  return expand(suite, prk.span(), bytesOf("SFrame 1.0 Ratchet"), next.first(suite.hash));
}

Error SFrameKey::set(int suiteId, std::uint64_t kid, Bytes baseKey) {
  const SFrameSuite* suite = findSFrameSuite(suiteId);
  if (suite == nullptr) return Error::kUnsupportedSuite;
  if (baseKey.empty() || baseKey.size() > kMaxBaseKey) return Error::kInvalidKey;
  clear();
  SecretBytes<kSha512Size> prk;
  SecretBytes<48> key;
  extract(*suite, baseKey, prk.span());
  Error error = expandLabelled(*suite, prk.span(), "SFrame 1.0 Secret key ", kid, key.span().first(suite->key));
  if (error == Error::kNone) error = expandLabelled(*suite, prk.span(), "SFrame 1.0 Secret salt ", kid, salt_.span());
  if (error == Error::kNone) error = aes_.setKey(key.span().first(suite->gcm ? suite->key : kCtrEncKey));
  if (error != Error::kNone) {
    clear();
    return error;
  }
  if (!suite->gcm) authKey_.assign(key.span().subspan<kCtrEncKey, 32>());
  suite_ = suite;
  return Error::kNone;
}

void SFrameKey::clear() {
  aes_.clear();
  authKey_.wipe();
  salt_.wipe();
  suite_ = nullptr;
}

void SFrameKey::nonceFor(std::uint64_t ctr, std::span<std::uint8_t, 12> nonce) const {
  putBig(nonce.data() + 4, ctr, 8);
  std::fill_n(nonce.begin(), 4, std::uint8_t{0});
  for (std::size_t i = 0; i < 12; ++i) nonce[i] ^= salt_.span()[i];
}

// RFC 9605 4.5.1.
void SFrameKey::hmacTag(std::span<const std::uint8_t, 12> nonce, Bytes aad, Bytes text,
                        std::span<std::uint8_t, kSha256Size> mac) const {
  std::array<std::uint8_t, 24> lengths{};
  putBig(lengths.data(), aad.size(), 8);
  putBig(lengths.data() + 8, text.size(), 8);
  putBig(lengths.data() + 16, suite_->tag, 8);
  HmacSha256 hmac(authKey_.span());
  hmac.update(lengths);
  hmac.update(nonce);
  hmac.update(aad);
  hmac.update(text);
  hmac.final(mac);
}

void SFrameKey::applyCtr(std::span<const std::uint8_t, 12> nonce, MutableBytes text) {
  std::array<std::uint8_t, 16> block{};  // nonce || 00000000
  std::copy(nonce.begin(), nonce.end(), block.begin());
  aes_.ctr(block, text);
}

void SFrameKey::seal(std::uint64_t ctr, Bytes aad, MutableBytes text, MutableBytes tag) {
  std::array<std::uint8_t, 12> nonce{};
  nonceFor(ctr, nonce);
  if (suite_->gcm) {
    aes_.seal(nonce, aad, text, tag.first<kGcmTagSize>());
    return;
  }
  applyCtr(nonce, text);
  SecretBytes<kSha256Size> mac;
  hmacTag(nonce, aad, text, mac.span());
  std::copy_n(mac.span().begin(), suite_->tag, tag.begin());
}

Error SFrameKey::open(std::uint64_t ctr, Bytes aad, MutableBytes text, Bytes tag) {
  std::array<std::uint8_t, 12> nonce{};
  nonceFor(ctr, nonce);
  if (suite_->gcm) return aes_.open(nonce, aad, text, tag.first<kGcmTagSize>());
  SecretBytes<kSha256Size> mac;
  hmacTag(nonce, aad, text, mac.span());
  if (!equal(mac.span().first(suite_->tag), tag)) return Error::kAuthentication;
  applyCtr(nonce, text);
  return Error::kNone;
}

}  // namespace siegel
