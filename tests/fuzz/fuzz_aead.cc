// Both AES-GCM kernels and OpenSSL on the same key, nonce, additional data and text: the same ciphertext and tag, the
// same verdict about a changed frame, and nothing written when the verdict is no.
#include <openssl/evp.h>

#include <memory>

#include "siegel/aes_gcm.h"
#include "support.h"

namespace siegel::fuzz {
namespace {

struct Sealed {
  Buffer text;
  std::array<std::uint8_t, kGcmTagSize> tag{};
  bool operator==(const Sealed&) const = default;
};

template <typename Kernel>
Sealed sealWith(const Buffer& key, GcmNonce nonce, const Buffer& aad, const Buffer& plain) {
  Kernel aes;
  PROMISE(aes.setKey(key) == Error::kNone);
  Sealed out{plain, {}};
  aes.seal(nonce, aad, out.text, out.tag);
  return out;
}

Sealed sealWithOpenSsl(const Buffer& key, GcmNonce nonce, const Buffer& aad, const Buffer& plain) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                EVP_CIPHER_CTX_free);
  const EVP_CIPHER* cipher = key.size() == 16   ? EVP_aes_128_gcm()
                             : key.size() == 24 ? EVP_aes_192_gcm()
                                                : EVP_aes_256_gcm();
  Sealed out{plain, {}};
  std::array<std::uint8_t, 16> rest{};
  int written = 0;
  PROMISE(EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.data(), nonce.data()) == 1);
  if (!aad.empty()) {
    PROMISE(EVP_EncryptUpdate(context.get(), nullptr, &written, aad.data(), static_cast<int>(aad.size())) == 1);
  }
  if (!plain.empty()) {
    PROMISE(EVP_EncryptUpdate(context.get(), out.text.data(), &written, plain.data(), static_cast<int>(plain.size())) ==
            1);
  }
  PROMISE(EVP_EncryptFinal_ex(context.get(), rest.data(), &written) == 1);
  PROMISE(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, out.tag.data()) == 1);
  return out;
}

template <typename Kernel>
void opens(const Buffer& key, GcmNonce nonce, const Buffer& aad, const Sealed& sealed, const Buffer* plain) {
  Kernel aes;
  PROMISE(aes.setKey(key) == Error::kNone);
  Buffer text = sealed.text;
  PROMISE(aes.verify(nonce, aad, text, sealed.tag) == (plain != nullptr));
  PROMISE(text == sealed.text);
  const Error error = aes.open(nonce, aad, text, sealed.tag);
  PROMISE(error == (plain != nullptr ? Error::kNone : Error::kAuthentication));
  PROMISE(text == (plain != nullptr ? *plain : sealed.text));
}

}  // namespace
}  // namespace siegel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  const std::size_t keySizes[] = {16, 24, 32};
  Buffer key = data.ConsumeBytes<std::uint8_t>(data.PickValueInArray(keySizes));
  key.resize(key.size() <= 16 ? 16 : key.size() <= 24 ? 24 : 32);
  Buffer nonceBytes = data.ConsumeBytes<std::uint8_t>(kGcmNonceSize);
  nonceBytes.resize(kGcmNonceSize);
  const GcmNonce nonce(nonceBytes.data(), kGcmNonceSize);
  const Buffer aad = data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, 80));
  const std::size_t flip = data.ConsumeIntegral<std::uint16_t>();
  // Few bytes of input make long texts, so that the kernels' loops of eight and more blocks are reached early.
  const std::size_t length = data.ConsumeIntegralInRange<std::size_t>(0, 700);
  Buffer plain = data.ConsumeRemainingBytes<std::uint8_t>();
  plain.resize(length, static_cast<std::uint8_t>(length));

  const Sealed expected = sealWithOpenSsl(key, nonce, aad, plain);
  PROMISE(sealWith<scalar::AesGcm>(key, nonce, aad, plain) == expected);
  PROMISE(sealWith<simd::AesGcm>(key, nonce, aad, plain) == expected);
  opens<scalar::AesGcm>(key, nonce, aad, expected, &plain);
  opens<simd::AesGcm>(key, nonce, aad, expected, &plain);

  // One bit of additional data, text or tag.
  Sealed changed = expected;
  Buffer changedAad = aad;
  const std::size_t bit = flip % (8 * (aad.size() + changed.text.size() + kGcmTagSize));
  const std::size_t at = bit / 8;
  const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
  if (at < aad.size()) {
    changedAad[at] ^= mask;
  } else if (at < aad.size() + changed.text.size()) {
    changed.text[at - aad.size()] ^= mask;
  } else {
    changed.tag[at - aad.size() - changed.text.size()] ^= mask;
  }
  opens<scalar::AesGcm>(key, nonce, changedAad, changed, nullptr);
  opens<simd::AesGcm>(key, nonce, changedAad, changed, nullptr);
  return 0;
}
