// HMAC, HKDF and PBKDF2 against the RFCs' own vectors and against OpenSSL; wiping and comparing.
#include "siegel/kdf.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "siegel/secret.h"

namespace siegel {
namespace {

using Buffer = std::vector<std::uint8_t>;

Buffer fromHex(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  Buffer out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return out;
}

Buffer ofText(std::string_view text) { return Buffer(text.begin(), text.end()); }

Buffer counting(unsigned first, unsigned last) {
  Buffer out;
  for (unsigned b = first; b <= last; ++b) out.push_back(static_cast<std::uint8_t>(b));
  return out;
}

std::span<std::uint8_t, 32> as32(Buffer& b) { return std::span<std::uint8_t, 32>(b.data(), 32); }
std::span<std::uint8_t, 64> as64(Buffer& b) { return std::span<std::uint8_t, 64>(b.data(), 64); }

// RFC 4231, test cases 1, 2, 3 and 6 (a key longer than the block).
TEST(HmacTest, Rfc4231) {
  struct Case {
    Buffer key, message;
    const char* mac256;
    const char* mac512;
  };
  const Case cases[] = {
      {Buffer(20, 0x0b), ofText("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
       "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
       "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
      {ofText("Jefe"), ofText("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
       "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
      {Buffer(20, 0xaa), Buffer(50, 0xdd), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
       "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
       "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
      {Buffer(131, 0xaa), ofText("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
       "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
       "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
  };
  for (const Case& test : cases) {
    Buffer mac(32);
    hmacSha256(test.key, test.message, as32(mac));
    EXPECT_EQ(fromHex(test.mac256), mac);
    Buffer longMac(64);
    hmacSha512(test.key, test.message, as64(longMac));
    EXPECT_EQ(fromHex(test.mac512), longMac);
  }
}

TEST(HmacTest, PiecesAndPreparedKeysEqualOpenSsl) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto bytes = [&](std::size_t n) {
    Buffer out(n);
    for (auto& b : out) b = static_cast<std::uint8_t>(random());
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    const Buffer key = bytes(random() % 200);
    const HmacSha256 prepared256(key);
    const HmacSha512 prepared512(key);
    for (int message = 0; message < 2; ++message) {  // the second use shows that a prepared key is not used up
      const Buffer text = bytes(random() % 400);
      const std::size_t cut = random() % (text.size() + 1);
      HmacSha256 h256 = prepared256;
      HmacSha512 h512 = prepared512;
      for (const Bytes part : {Bytes(text).first(cut), Bytes(text).subspan(cut)}) {
        h256.update(part);
        h512.update(part);
      }
      Buffer mac(32);
      Buffer longMac(64);
      h256.final(as32(mac));
      h512.final(as64(longMac));
      Buffer expected(64);
      unsigned n = 0;
      const std::uint8_t none = 0;  // OpenSSL takes no null key
      HMAC(EVP_sha256(), key.empty() ? &none : key.data(), static_cast<int>(key.size()), text.data(), text.size(),
           expected.data(), &n);
      EXPECT_EQ(Buffer(expected.begin(), expected.begin() + n), mac);
      HMAC(EVP_sha512(), key.empty() ? &none : key.data(), static_cast<int>(key.size()), text.data(), text.size(),
           expected.data(), &n);
      EXPECT_EQ(Buffer(expected.begin(), expected.begin() + n), longMac);
    }
  }
}

// RFC 5869, appendix A, test cases 1 to 3.
TEST(HkdfTest, Rfc5869) {
  struct Case {
    Buffer inputKey, salt, info;
    const char* prk;
    const char* okm;
  };
  const Case cases[] = {
      {Buffer(22, 0x0b), counting(0x00, 0x0c), counting(0xf0, 0xf9),
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {counting(0x00, 0x4f), counting(0x60, 0xaf), counting(0xb0, 0xff),
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
       "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {Buffer(22, 0x0b),
       {},
       {},
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const Case& test : cases) {
    const Buffer expected = fromHex(test.okm);
    Buffer prk(32);
    hkdfExtractSha256(test.salt, test.inputKey, as32(prk));
    EXPECT_EQ(fromHex(test.prk), prk);
    Buffer okm(expected.size());
    EXPECT_EQ(Error::kNone, hkdfExpandSha256(as32(prk), test.info, okm));
    EXPECT_EQ(expected, okm);
    std::fill(okm.begin(), okm.end(), std::uint8_t{0});
    EXPECT_EQ(Error::kNone, hkdfSha256(test.inputKey, test.salt, test.info, okm));
    EXPECT_EQ(expected, okm);
  }
}

Buffer opensslHkdf(const EVP_MD* hash, const Buffer& inputKey, const Buffer& salt, const Buffer& info, std::size_t n) {
  Buffer out(n);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr);
  std::size_t size = n;
  EXPECT_GT(EVP_PKEY_derive_init(context), 0);
  EXPECT_GT(EVP_PKEY_CTX_set_hkdf_md(context, hash), 0);
  EXPECT_GT(EVP_PKEY_CTX_set1_hkdf_salt(context, salt.data(), static_cast<int>(salt.size())), 0);
  EXPECT_GT(EVP_PKEY_CTX_set1_hkdf_key(context, inputKey.data(), static_cast<int>(inputKey.size())), 0);
  EXPECT_GT(EVP_PKEY_CTX_add1_hkdf_info(context, info.data(), static_cast<int>(info.size())), 0);
  EXPECT_GT(EVP_PKEY_derive(context, out.data(), &size), 0);
  EVP_PKEY_CTX_free(context);
  return out;
}

TEST(HkdfTest, EqualsOpenSsl) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto bytes = [&](std::size_t n) {
    Buffer out(n);
    for (auto& b : out) b = static_cast<std::uint8_t>(random());
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    const Buffer inputKey = bytes(1 + random() % 100);
    const Buffer salt = bytes(1 + random() % 200);
    const Buffer info = bytes(random() % 200);
    Buffer out(1 + random() % 300);
    ASSERT_EQ(Error::kNone, hkdfSha256(inputKey, salt, info, out));
    ASSERT_EQ(opensslHkdf(EVP_sha256(), inputKey, salt, info, out.size()), out);
    ASSERT_EQ(Error::kNone, hkdfSha512(inputKey, salt, info, out));
    ASSERT_EQ(opensslHkdf(EVP_sha512(), inputKey, salt, info, out.size()), out);
    Buffer prk(64);
    hkdfExtractSha512(salt, inputKey, as64(prk));
    Buffer again(out.size());
    ASSERT_EQ(Error::kNone, hkdfExpandSha512(as64(prk), info, again));
    ASSERT_EQ(out, again);
  }
}

TEST(HkdfTest, RefusesMoreThan255Blocks) {
  const Buffer key(16, 1);
  Buffer out(255 * 32);
  EXPECT_EQ(Error::kNone, hkdfSha256(key, {}, {}, out));
  EXPECT_EQ(opensslHkdf(EVP_sha256(), key, Buffer(32), {}, out.size()), out);
  Buffer tooLong(255 * 32 + 1, 0xEE);
  EXPECT_EQ(Error::kInvalidArgument, hkdfSha256(key, {}, {}, tooLong));
  EXPECT_EQ(Buffer(255 * 32 + 1, 0xEE), tooLong);
  Buffer out512(255 * 64);
  EXPECT_EQ(Error::kNone, hkdfSha512(key, {}, {}, out512));
  tooLong.assign(255 * 64 + 1, 0xEE);
  EXPECT_EQ(Error::kInvalidArgument, hkdfSha512(key, {}, {}, tooLong));
  EXPECT_EQ(Buffer(255 * 64 + 1, 0xEE), tooLong);
  EXPECT_EQ(Error::kNone, hkdfSha256(key, {}, {}, {}));
}

// RFC 7914, section 11.
TEST(Pbkdf2Test, Rfc7914) {
  Buffer out(64);
  ASSERT_EQ(Error::kNone, pbkdf2Sha256(ofText("passwd"), ofText("salt"), 1, out));
  EXPECT_EQ(fromHex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                    "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"),
            out);
  ASSERT_EQ(Error::kNone, pbkdf2Sha256(ofText("Password"), ofText("NaCl"), 80000, out));
  EXPECT_EQ(fromHex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
                    "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"),
            out);
}

TEST(Pbkdf2Test, EqualsOpenSsl) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    Buffer password(random() % 150);
    Buffer salt(random() % 100);
    for (auto& b : password) b = static_cast<std::uint8_t>(random());
    for (auto& b : salt) b = static_cast<std::uint8_t>(random());
    const std::uint32_t rounds = 1 + random() % 20;
    Buffer out(1 + random() % 100);
    Buffer expected(out.size());
    ASSERT_EQ(Error::kNone, pbkdf2Sha256(password, salt, rounds, out));
    ASSERT_EQ(1, PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()), static_cast<int>(password.size()),
                                   salt.data(), static_cast<int>(salt.size()), static_cast<int>(rounds), EVP_sha256(),
                                   static_cast<int>(expected.size()), expected.data()));
    ASSERT_EQ(expected, out);
  }
}

TEST(Pbkdf2Test, RefusesNoRoundsAndTooMuchOutput) {
  Buffer out(32, 0xEE);
  EXPECT_EQ(Error::kInvalidArgument, pbkdf2Sha256(ofText("p"), ofText("s"), 0, out));
  EXPECT_EQ(Buffer(32, 0xEE), out);
  Buffer tooLong(kPbkdf2MaxOut + 1);
  EXPECT_EQ(Error::kInvalidArgument, pbkdf2Sha256(ofText("p"), ofText("s"), 1, tooLong));
}

TEST(SecretTest, EqualSeesEveryBit) {
  for (std::size_t size = 0; size < 40; ++size) {
    const Buffer a(size, 0x5A);
    Buffer b = a;
    EXPECT_TRUE(equal(a, b));
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      b[bit / 8] = static_cast<std::uint8_t>(b[bit / 8] ^ (1U << (bit % 8)));
      EXPECT_FALSE(equal(a, b));
      b = a;
    }
    b.push_back(0x5A);
    EXPECT_FALSE(equal(a, b));
    EXPECT_FALSE(equal(b, a));
  }
}

// R18. Seen to fail with the wipe taken out of ~SecretBytes, of the move, of ~HmacSha256 and of ~HmacSha512. (After
// final() the state is zero even without ours: libsodium wipes it as well.)
TEST(SecretTest, R18SecretsWipeThemselves) {
  const auto count = [](const void* memory, std::size_t size) {
    const auto* p = static_cast<const volatile std::uint8_t*>(memory);
    std::size_t nonZero = 0;
    for (std::size_t i = 0; i < size; ++i) nonZero += p[i] != 0 ? 1 : 0;
    return nonZero;
  };
  alignas(16) static std::uint8_t storage[sizeof(HmacSha512)];
  const Buffer key(32, 0x77);
  auto* secret = new (storage) SecretBytes<32>;
  secret->assign(std::span<const std::uint8_t, 32>(key.data(), 32));
  EXPECT_EQ(32U, count(storage, 32));
  SecretBytes<32> moved(std::move(*secret));
  EXPECT_EQ(0U, count(storage, 32));
  EXPECT_TRUE(equal(key, moved.span()));
  *secret = std::move(moved);
  EXPECT_EQ(32U, count(storage, 32));
  EXPECT_EQ(0U, count(&moved, 32));  // NOLINT(bugprone-use-after-move): that is the point
  secret->~SecretBytes<32>();
  EXPECT_EQ(0U, count(storage, 32));

  Buffer mac(64);
  auto* h256 = new (storage) HmacSha256(key);
  EXPECT_GT(count(storage, sizeof(HmacSha256)), 60U);
  h256->final(as32(mac));
  EXPECT_EQ(0U, count(storage, sizeof(HmacSha256)));
  h256->init(key);
  h256->~HmacSha256();
  EXPECT_EQ(0U, count(storage, sizeof(HmacSha256)));
  auto* h512 = new (storage) HmacSha512(key);
  EXPECT_GT(count(storage, sizeof(HmacSha512)), 100U);
  h512->final(as64(mac));
  EXPECT_EQ(0U, count(storage, sizeof(HmacSha512)));
  h512->init(key);
  h512->~HmacSha512();
  EXPECT_EQ(0U, count(storage, sizeof(HmacSha512)));
}

}  // namespace
}  // namespace siegel
