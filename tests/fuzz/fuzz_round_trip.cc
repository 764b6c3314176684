// Behind the tag, with known keys: whatever an encoder may hand over is sealed, opened and compared; the same frame
// sealed through the two halves with OpenSSL in WebCrypto's place gives the same bytes; and no flipped byte gets past.
#include <openssl/evp.h>

#include "siegel/layout.h"
#include "support.h"

namespace siegel::fuzz {
namespace {

const EVP_CIPHER* cipher(std::size_t keySize) {
  return keySize == 16 ? EVP_aes_128_gcm() : keySize == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

Buffer opensslSeal(std::span<const std::uint8_t> key, std::span<const std::uint8_t> iv,
                   std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Buffer out(text.size() + 16);
  int n = 0;
  bool ok = EVP_EncryptInit_ex(context, cipher(key.size()), nullptr, key.data(), iv.data()) == 1;
  if (!aad.empty()) ok = ok && EVP_EncryptUpdate(context, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1;
  if (!text.empty()) {
    ok = ok && EVP_EncryptUpdate(context, out.data(), &n, text.data(), static_cast<int>(text.size())) == 1;
  }
  ok = ok && EVP_EncryptFinal_ex(context, out.data() + text.size(), &n) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out.data() + text.size()) == 1;
  EVP_CIPHER_CTX_free(context);
  PROMISE(ok);
  return out;
}

// Long start codes in the clear part are what comes out at the far side.
Buffer asReceived(Format format, const FrameInfo& info, const Buffer& frame, std::size_t clear) {
  if (!needsEscaping(format, info.codec)) return frame;
  const std::size_t added = countShortStartCodes(std::span(frame).first(clear));
  Buffer room(added);
  room.insert(room.end(), frame.begin(), frame.end());
  normaliseStartCodes(room, added, clear);
  return room;
}

struct Keys {
  int keyIndex;
  Derivation derivation;
  Buffer material;
  int suite;
  std::uint64_t kid;
  Buffer metadata;

  [[nodiscard]] Error install(FrameSealer& sealer, Format format) const {
    if (format != Format::kSFrame) return sealer.setKey(keyIndex, material, derivation, true);
    const Error error = sealer.setMetadata(metadata);
    return error != Error::kNone ? error : sealer.setSFrameKey(suite, kid, material);
  }
  [[nodiscard]] Error install(FrameOpener& opener, Format format) const {
    if (format != Format::kSFrame) return opener.setKey(keyIndex, material, derivation);
    const Error error = opener.setMetadata(metadata);
    return error != Error::kNone ? error : opener.setSFrameKey(suite, kid, material);
  }
};

}  // namespace
}  // namespace siegel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  const auto format = static_cast<Format>(data.ConsumeIntegralInRange(0, 2));
  const FrameInfo info = pickInfo(data);
  Keys keys{};
  keys.keyIndex = data.ConsumeIntegralInRange(-2, 300);
  // Pass phrases cost 100,000 rounds an input: left to the unit tests.
  keys.derivation = data.ConsumeBool() ? Derivation::kHkdf : Derivation::kRaw;
  keys.material = data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, 70));
  keys.suite = data.ConsumeIntegralInRange(0, 9);
  keys.kid = data.ConsumeIntegral<std::uint64_t>() >> data.ConsumeIntegralInRange(0, 63);
  keys.metadata = data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, 520));
  const int ring = data.ConsumeIntegralInRange(1, 256);
  const int ratchets = data.ConsumeIntegralInRange(0, 3);
  const auto start = data.ConsumeIntegral<std::uint64_t>();
  const auto flipAt = data.ConsumeIntegral<std::uint32_t>();
  const auto flip = static_cast<std::uint8_t>(1U << data.ConsumeIntegralInRange(0, 7));
  const Buffer frame = data.ConsumeRemainingBytes<std::uint8_t>();

  FuzzRandom random(start);
  FrameSealer sealer({.format = format, .ringSize = ring, .random = random.source()});
  FrameSealer twin({.format = format, .ringSize = ring, .random = random.source()});
  FrameOpener opener({.format = format, .ringSize = ring, .ratchetWindow = 4});
  const Error installed = keys.install(sealer, format);
  PROMISE(keys.install(twin, format) == installed);
  PROMISE((keys.install(opener, format) == Error::kNone) == (installed == Error::kNone));
  std::uint32_t generation = 0;
  for (int i = 0; i < ratchets; ++i) {
    const Result<std::uint32_t> next = sealer.ratchet();
    PROMISE(next.ok() == twin.ratchet().ok());
    if (next.ok()) generation = next.value();
  }

  Buffer buffer = withRoom(frame);
  const Result<FrameResult> sealed = sealer.seal(buffer, kHeadroom, frame.size(), info);
  const Result<std::size_t> clear = clearBytes(format, info.codec, info.type, frame);
  if (installed != Error::kNone) PROMISE(!sealed.ok());
  if (!clear.ok()) PROMISE(!sealed.ok() && (frame.empty() ? sealed.error() == Error::kEmptyFrame : true));
  if (!sealed.ok()) {
    // Nothing else may stop a frame that has a layout and a key, except more start codes than fit in front.
    PROMISE(
        !clear.ok() || installed != Error::kNone ||
        (needsEscaping(format, info.codec) && countShortStartCodes(std::span(frame).first(clear.value())) > kHeadroom));
    return 0;
  }
  const Buffer wire = cut(buffer, sealed.value());
  const Buffer expected = asReceived(format, info, frame, clear.value());
  PROMISE(wire.size() > expected.size());
  if (format != Format::kSFrame) {
    PROMISE(std::equal(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(sealed.value().clear),
                       wire.begin()));

    Buffer half = withRoom(frame);
    const Result<SealPlan> plan = twin.begin(half, kHeadroom, frame.size(), info);
    PROMISE(plan.ok());
    const FrameResult& at = plan.value().frame;
    Buffer whole(half.begin() + static_cast<std::ptrdiff_t>(at.offset),
                 half.begin() + static_cast<std::ptrdiff_t>(at.offset + at.clear));
    const Buffer text = opensslSeal(plan.value().key, plan.value().iv, whole, plan.value().text);
    whole.insert(whole.end(), text.begin(), text.end());
    Buffer place = withRoom(whole);
    const Result<FrameResult> finished = twin.finish(plan.value().ticket, place, kHeadroom, whole.size());
    PROMISE(finished.ok() && cut(place, finished.value()) == wire);
  }

  // One flipped bit: never opens as something else. (Escaped bytes have more than one spelling.)
  Buffer bad = wire;
  bad[flipAt % bad.size()] ^= flip;
  const bool shortTag = format == Format::kSFrame && keys.suite < 4;  // 4 to 10 bytes: a fuzzer may guess one
  const Result<FrameResult> forged = opener.open(bad, 0, bad.size(), info, 0);
  if (forged.ok()) {
    PROMISE(shortTag || (needsEscaping(format, info.codec) && cut(bad, forged.value()) == expected));
    return 0;
  }

  Buffer received = wire;
  const Result<FrameResult> opened = opener.open(received, 0, received.size(), info, 1000);
  PROMISE(opened.ok() && cut(received, opened.value()) == expected);
  PROMISE(opened.value().generation == generation);
  PROMISE(format == Format::kSFrame || opened.value().ivSsrc == info.ssrc);
  Buffer again = wire;
  PROMISE(opener.open(again, 0, again.size(), info, 1000).error() == Error::kReplay);
  return 0;
}
