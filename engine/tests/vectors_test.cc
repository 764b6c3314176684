// Every published and recorded vector, both ways: what others sealed opens here, and with the counter fixed through the
// random source (a constructor option that the shipped module does not expose) sealing gives the same bytes.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "frame_support.h"
#include "siegel/key_state.h"
#include "siegel/layout.h"
#include "siegel/sframe.h"

namespace siegel::test {
namespace {

using Json = nlohmann::json;

Json load(const std::string& name) {
  std::ifstream file(std::string(SIEGEL_VECTORS) + "/" + name);
  EXPECT_TRUE(file.good()) << name;
  return Json::parse(file);
}

Buffer hex(const Json& object, const char* field) { return fromHex(object.at(field).get<std::string>()); }
std::string text(const Json& object, const char* field) { return object.at(field).get<std::string>(); }

// ---- SFrame -----------------------------------------------------------------------------------------------------

class SFrameVectors : public testing::TestWithParam<const char*> {};

TEST_P(SFrameVectors, Headers) {
  const Json vectors = load(GetParam());
  ASSERT_EQ(vectors.at("header").size(), 289U);
  for (const Json& v : vectors.at("header")) {
    const auto kid = v.at("kid").get<std::uint64_t>();
    const auto ctr = v.at("ctr").get<std::uint64_t>();
    SCOPED_TRACE(text(v, "encoded"));
    std::array<std::uint8_t, kMaxSFrameHeader> out{};
    const std::size_t size = encodeSFrameHeader(kid, ctr, out);
    EXPECT_EQ(toHex(std::span(out).first(size)), text(v, "encoded"));
    const Buffer encoded = hex(v, "encoded");
    const Result<SFrameHeader> header = decodeSFrameHeader(encoded);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header.value().kid, kid);
    EXPECT_EQ(header.value().ctr, ctr);
    EXPECT_EQ(header.value().size, encoded.size());
    // Cut anywhere: malformed, never read beyond the end.
    for (std::size_t cut = 0; cut < encoded.size(); ++cut) {
      const Buffer shorter(encoded.begin(), encoded.begin() + static_cast<std::ptrdiff_t>(cut));
      EXPECT_EQ(decodeSFrameHeader(shorter).error(), Error::kMalformed);
    }
  }
}

// The AES-CTR-HMAC construction with the key as given. SFrameKey derives its keys itself, so this composes the same
// primitives by hand; the sframe vectors below run the same construction through the engine.
TEST_P(SFrameVectors, AesCtrHmac) {
  const Json vectors = load(GetParam());
  ASSERT_EQ(vectors.at("aes_ctr_hmac").size(), 3U);
  for (const Json& v : vectors.at("aes_ctr_hmac")) {
    const SFrameSuite* suite = findSFrameSuite(v.at("cipher_suite").get<int>());
    ASSERT_NE(suite, nullptr);
    EXPECT_FALSE(suite->gcm);
    ASSERT_EQ(hex(v, "key").size(), suite->key);
    const Buffer key = hex(v, "enc_key");
    const Buffer nonce = hex(v, "nonce");
    const Buffer aad = hex(v, "aad");
    AesGcm aes;
    ASSERT_EQ(aes.setKey(key), Error::kNone);
    std::array<std::uint8_t, 16> block{};
    std::copy(nonce.begin(), nonce.end(), block.begin());
    Buffer ct = hex(v, "pt");
    aes.ctr(block, ct);
    Buffer message;
    for (const std::size_t length : {aad.size(), ct.size(), suite->tag}) {
      for (int i = 7; i >= 0; --i) message.push_back(static_cast<std::uint8_t>(std::uint64_t{length} >> (8 * i)));
    }
    message = join({message, nonce, aad, ct});
    std::array<std::uint8_t, kSha256Size> mac{};
    hmacSha256(hex(v, "auth_key"), message, mac);
    EXPECT_EQ(toHex(ct) + toHex(std::span(mac).first(suite->tag)), text(v, "ct"));
  }
}

TEST_P(SFrameVectors, Frames) {
  const Json vectors = load(GetParam());
  ASSERT_EQ(vectors.at("sframe").size(), 5U);
  for (const Json& v : vectors.at("sframe")) {
    const int suite = v.at("cipher_suite").get<int>();
    SCOPED_TRACE(suite);
    const auto kid = v.at("kid").get<std::uint64_t>();
    const auto ctr = v.at("ctr").get<std::uint64_t>();
    const Buffer baseKey = hex(v, "base_key");
    const Buffer metadata = hex(v, "metadata");

    SFrameKey key;
    ASSERT_EQ(key.set(suite, kid, baseKey), Error::kNone);
    Buffer pt = hex(v, "pt");
    Buffer tag(key.suite().tag);
    key.seal(ctr, hex(v, "aad"), pt, tag);
    const std::string header = toHex(hex(v, "aad")).substr(0, 2 * (hex(v, "aad").size() - metadata.size()));
    EXPECT_EQ(header + toHex(pt) + toHex(tag), text(v, "ct"));
    ASSERT_EQ(key.open(ctr, hex(v, "aad"), pt, tag), Error::kNone);
    EXPECT_EQ(toHex(pt), text(v, "pt"));

    ASSERT_LT(ctr, 1U << 16);  // the counter starts at random(4 bytes) << 16 | random(2 bytes)
    FixedRandom random(0, static_cast<std::uint16_t>(ctr));
    FrameSealer sealer({.format = Format::kSFrame, .random = random.source()});
    ASSERT_EQ(sealer.setSFrameKey(suite, kid, baseKey), Error::kNone);
    ASSERT_EQ(sealer.setMetadata(metadata), Error::kNone);
    const Outcome sealed = seal(sealer, hex(v, "pt"), kOpusFrame);
    ASSERT_TRUE(sealed.ok());
    EXPECT_EQ(toHex(sealed.frame), text(v, "ct"));

    FrameOpener opener({.format = Format::kSFrame});
    ASSERT_EQ(opener.setSFrameKey(suite, kid, baseKey), Error::kNone);
    EXPECT_EQ(open(opener, hex(v, "ct"), kOpusFrame).error, Error::kAuthentication) << "metadata is authenticated";
    ASSERT_EQ(opener.setMetadata(metadata), Error::kNone);
    const Outcome opened = open(opener, hex(v, "ct"), kOpusFrame);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(toHex(opened.frame), text(v, "pt"));
  }
}

INSTANTIATE_TEST_SUITE_P(WorkingGroup, SFrameVectors, testing::Values("sframe-test-vectors.json"));
INSTANTIATE_TEST_SUITE_P(Cisco, SFrameVectors, testing::Values("cisco-sframe-test-vectors.json"));

// Suites 6 to 8 are private ones with AES-256-CTR. They are refused, not guessed.
TEST(SFrameVectorsTest, PrivateSuitesAreRefused) {
  const Json vectors = load("sframe-test-vectors-aes256.json");
  const Json more = load("sframe-test-vectors.json").at("aes_256_ctr_hmac");
  ASSERT_EQ(vectors.at("sframe_aes_256_ctr_hmac").size(), 3U);
  ASSERT_EQ(more.size(), 3U);
  for (const Json& v : vectors.at("sframe_aes_256_ctr_hmac")) {
    const int suite = v.at("cipher_suite").get<int>();
    SFrameKey key;
    FrameSealer sealer({.format = Format::kSFrame});
    FrameOpener opener({.format = Format::kSFrame});
    EXPECT_EQ(key.set(suite, 1, hex(v, "base_key")), Error::kUnsupportedSuite);
    EXPECT_EQ(sealer.setSFrameKey(suite, 1, hex(v, "base_key")), Error::kUnsupportedSuite);
    EXPECT_EQ(opener.setSFrameKey(suite, 1, hex(v, "base_key")), Error::kUnsupportedSuite);
    EXPECT_EQ(seal(sealer, hex(v, "pt"), kOpusFrame).error, Error::kMissingKey);
    EXPECT_EQ(open(opener, hex(v, "ct"), kOpusFrame).error, Error::kMissingKey);
  }
  for (const Json& v : more) EXPECT_EQ(findSFrameSuite(v.at("cipher_suite").get<int>()), nullptr);
}

// ---- JFrame -----------------------------------------------------------------------------------------------------

TEST(JFrameVectors, KeyGenerations) {
  const Json vectors = load("jitsi-jframe-vectors.json");
  ASSERT_EQ(vectors.at("kdf").size(), 2U);
  for (const Json& v : vectors.at("kdf")) {
    DerivedKey key;
    ASSERT_EQ(deriveKey(Format::kJFrame, Derivation::kHkdf, hex(v, "material"), key), Error::kNone);
    ASSERT_EQ(v.at("gen").size(), 10U);
    for (std::size_t gen = 0; gen < 10; ++gen) {
      const Json& expected = v.at("gen").at(gen);
      EXPECT_EQ(toHex(key.key.span().first(key.keySize)), text(expected, "aes128gcm_key")) << gen;
      if (gen + 1 < 10) {
        EXPECT_EQ(toHex(key.next.span()), text(v.at("gen").at(gen + 1), "material"));
      }
      DerivedKey next;
      deriveNext(Format::kJFrame, key, next);
      key.assign(next);
    }
  }
}

TEST(JFrameVectors, Frames) {
  const Json vectors = load("jitsi-jframe-vectors.json");
  ASSERT_EQ(vectors.at("frames").size(), 18U);
  for (const Json& v : vectors.at("frames")) {
    SCOPED_TRACE(text(v, "key") + " " + text(v, "name") + " at " + v.at("setKeyIndex").dump());
    const auto key = std::find_if(vectors.at("kdf").begin(), vectors.at("kdf").end(),
                                  [&](const Json& each) { return each.at("name") == v.at("key"); });
    ASSERT_NE(key, vectors.at("kdf").end());
    const int keyIndex = v.at("setKeyIndex").get<int>();
    const std::string type = v.at("type").is_null() ? "audio" : text(v, "type");
    const FrameInfo info{type == "audio" ? Codec::kOpus : Codec::kVp8,
                         type == "audio" ? FrameType::kAudio
                         : type == "key" ? FrameType::kKey
                                         : FrameType::kDelta,
                         v.at("ssrc").get<std::uint32_t>(), v.at("rtpTimestamp").get<std::uint32_t>()};
    EXPECT_EQ(clearBytes(Format::kJFrame, info.codec, info.type, hex(v, "plain")).value(),
              v.at("header_len").get<std::size_t>());
    FixedRandom random(big32(std::span<const std::uint8_t>(hex(v, "iv")).subspan(8)));
    FrameSealer sealer({.format = Format::kJFrame, .random = random.source()});
    ASSERT_EQ(sealer.setKey(keyIndex, hex(*key, "material"), Derivation::kHkdf, true), Error::kNone);
    const Outcome sealed = seal(sealer, hex(v, "plain"), info);
    ASSERT_TRUE(sealed.ok());
    EXPECT_EQ(toHex(sealed.frame), text(v, "encrypted"));
    EXPECT_EQ(sealed.info.clear, v.at("header_len").get<std::size_t>());

    FrameOpener opener({.format = Format::kJFrame});
    ASSERT_EQ(opener.setKey(keyIndex, hex(*key, "material"), Derivation::kHkdf), Error::kNone);
    const Outcome opened = open(opener, hex(v, "encrypted"), info);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(toHex(opened.frame), text(v, "plain"));
    EXPECT_EQ(opened.info.ivSsrc, info.ssrc);
    EXPECT_EQ(opened.info.keyIndex, static_cast<std::uint32_t>(keyIndex % 16));
  }
}

// The same frames with the AES key handed over as it is (Jitsi's externally managed key).
TEST(JFrameVectors, FramesWithRawKey) {
  const Json vectors = load("jitsi-jframe-vectors.json");
  for (const Json& v : vectors.at("frames")) {
    for (const Json& each : vectors.at("kdf")) {
      FrameOpener opener({.format = Format::kJFrame});
      ASSERT_EQ(
          opener.setKey(v.at("setKeyIndex").get<int>(), hex(each.at("gen").at(0), "aes128gcm_key"), Derivation::kRaw),
          Error::kNone);
      const FrameInfo info = v.at("type").is_null()     ? kOpusFrame
                             : text(v, "type") == "key" ? kVp8KeyFrame
                                                        : kVp8DeltaFrame;
      const Outcome opened = open(opener, hex(v, "encrypted"), info);
      if (each.at("name") == v.at("key")) {
        EXPECT_EQ(toHex(opened.frame), text(v, "plain"));
      } else {
        EXPECT_EQ(opened.error, Error::kAuthentication);
      }
    }
  }
}

// ---- LiveKit ----------------------------------------------------------------------------------------------------

TEST(LiveKitVectors, Hkdf) {
  const Json v = load("matrix-livekit-e2ee-vectors.json").at("hkdf");
  DerivedKey key;
  ASSERT_EQ(deriveKey(Format::kLiveKit, Derivation::kHkdf, hex(v, "ikm"), key), Error::kNone);
  EXPECT_EQ(toHex(key.key.span().first(key.keySize)), text(v, "aes128"));
  EXPECT_EQ(toHex(key.next.span()), text(v, "ratchet_chain_256"));
  DerivedKey next;
  deriveNext(Format::kLiveKit, key, next);
  EXPECT_EQ(toHex(next.key.span().first(next.keySize)), text(v, "after_ratchet1_aes128"));
  EXPECT_EQ(toHex(next.next.span()), text(v, "after_ratchet1_chain"));
}

// What a worker gets out of a CryptoKey: the chain. It must be the same key, and ratchet to the same next one.
TEST(LiveKitVectors, Chain) {
  const Json v = load("matrix-livekit-e2ee-vectors.json").at("hkdf");
  const Buffer chain = hex(v, "ratchet_chain_256");
  DerivedKey key;
  ASSERT_EQ(deriveKey(Format::kLiveKit, Derivation::kChain, chain, key), Error::kNone);
  EXPECT_EQ(toHex(key.key.span().first(key.keySize)), text(v, "aes128"));
  DerivedKey next;
  deriveNext(Format::kLiveKit, key, next);
  EXPECT_EQ(toHex(next.key.span().first(next.keySize)), text(v, "after_ratchet1_aes128"));
  EXPECT_EQ(toHex(next.next.span()), text(v, "after_ratchet1_chain"));

  // With AES-256 the key is the whole chain, and stays so.
  ASSERT_EQ(deriveKey(Format::kLiveKit, Derivation::kChain256, chain, key), Error::kNone);
  EXPECT_EQ(key.keySize, 32);
  EXPECT_EQ(toHex(key.key.span()), text(v, "ratchet_chain_256"));
  deriveNext(Format::kLiveKit, key, next);
  EXPECT_EQ(next.keySize, 32);
  EXPECT_EQ(toHex(next.key.span()), text(v, "after_ratchet1_chain"));

  for (const Derivation how : {Derivation::kChain, Derivation::kChain256}) {
    EXPECT_EQ(deriveKey(Format::kLiveKit, how, Buffer(31, 1), key), Error::kInvalidKey);
    EXPECT_EQ(deriveKey(Format::kLiveKit, how, Buffer(33, 1), key), Error::kInvalidKey);
    EXPECT_EQ(deriveKey(Format::kJFrame, how, chain, key), Error::kInvalidArgument);
  }
}

TEST(LiveKitVectors, Pbkdf2) {
  const Json v = load("matrix-livekit-e2ee-vectors.json").at("pbkdf2");
  ASSERT_EQ(v.at("iterations").get<int>(), 100000);
  const std::string password = text(v, "password");
  DerivedKey key;
  ASSERT_EQ(deriveKey(Format::kLiveKit, Derivation::kPbkdf2, Buffer(password.begin(), password.end()), key),
            Error::kNone);
  EXPECT_EQ(toHex(key.key.span().first(key.keySize)), text(v, "aes128"));
  EXPECT_FALSE(key.canRatchet);
  EXPECT_EQ(toHex(key.next.span()), std::string(64, '0')) << "the chain key is not kept";
}

// The upstream unit test's ciphertext: VP8 key frame, pass phrase "key1", key index 1.
TEST(LiveKitVectors, UpstreamUnitTest) {
  const Json v = load("matrix-livekit-e2ee-vectors.json").at("livekit_unit_vector");
  const std::string password = "key1";
  const Buffer material(password.begin(), password.end());
  FrameOpener opener({.format = Format::kLiveKit});
  ASSERT_EQ(opener.setKey(1, material, Derivation::kPbkdf2), Error::kNone);
  const Outcome opened = open(opener, hex(v, "frame"), kVp8KeyFrame);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(toHex(opened.frame), text(v, "plaintext"));
  EXPECT_EQ(opened.info.clear, v.at("header_len").get<std::size_t>());

  const Buffer iv = hex(v, "iv");
  FixedRandom random(big32(std::span<const std::uint8_t>(iv).subspan(8)));
  FrameSealer sealer({.format = Format::kLiveKit, .random = random.source()});
  ASSERT_EQ(sealer.setKey(1, material, Derivation::kPbkdf2, true), Error::kNone);
  const FrameInfo info{Codec::kVp8, FrameType::kKey, big32(iv), big32(std::span<const std::uint8_t>(iv).subspan(4))};
  EXPECT_EQ(toHex(seal(sealer, hex(v, "plaintext"), info).frame), text(v, "frame"));
}

FrameInfo liveKitInfo(std::string_view name) {
  if (name.starts_with("opus")) return {Codec::kOpus, FrameType::kAudio, 0, 0};
  const FrameType type = name.find("key") != std::string_view::npos ? FrameType::kKey : FrameType::kDelta;
  if (name.starts_with("vp8")) return {Codec::kVp8, type, 0, 0};
  if (name.starts_with("vp9")) return {Codec::kVp9, type, 0, 0};
  if (name.starts_with("h264")) return {Codec::kH264, type, 0, 0};
  return {Codec::kH265, type, 0, 0};
}

// Seals with the third IV word as counter start and opens; both must give the recorded bytes.
void bothWays(const Buffer& material, int keyIndex, FrameInfo info, const Buffer& iv, const Buffer& plain,
              const Buffer& decrypted, const Buffer& frame) {
  FrameOpener opener({.format = Format::kLiveKit, .ringSize = 256});
  ASSERT_EQ(opener.setKey(keyIndex, material, Derivation::kHkdf), Error::kNone);
  const Outcome opened = open(opener, frame, info);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(toHex(opened.frame), toHex(decrypted));
  EXPECT_EQ(opened.info.keyIndex, static_cast<std::uint32_t>(keyIndex));
  EXPECT_EQ(open(opener, frame, info).error, Error::kReplay);

  FixedRandom random(big32(std::span<const std::uint8_t>(iv).subspan(8)));
  FrameSealer sealer({.format = Format::kLiveKit, .ringSize = 256, .random = random.source()});
  ASSERT_EQ(sealer.setKey(keyIndex, material, Derivation::kHkdf, true), Error::kNone);
  EXPECT_EQ(toHex(seal(sealer, plain, info).frame), toHex(frame));
}

TEST(LiveKitVectors, Frames) {
  const Json vectors = load("matrix-livekit-e2ee-vectors.json");
  ASSERT_EQ(vectors.at("frames").size(), 4U);
  for (const Json& v : vectors.at("frames")) {
    SCOPED_TRACE(text(v, "name"));
    FrameInfo info = liveKitInfo(text(v, "name"));
    info.ssrc = v.at("ssrc").get<std::uint32_t>();
    info.timestamp = v.at("rtp_timestamp").get<std::uint32_t>();
    EXPECT_EQ(clearBytes(Format::kLiveKit, info.codec, info.type, hex(v, "plain")).value(),
              v.at("header_len").get<std::size_t>());
    bothWays(hex(vectors.at("hkdf"), "ikm"), v.at("key_index").get<int>(), info, hex(v, "iv"), hex(v, "plain"),
             hex(v, "plain"), hex(v, "frame"));
  }
}

TEST(LiveKitVectors, RecordedFromPublishedWorker) {
  const Json vectors = load("matrix-livekit-worker-oracle.json");
  ASSERT_EQ(vectors.at("frames").size(), 8U);
  for (const Json& v : vectors.at("frames")) {
    SCOPED_TRACE(text(v, "name"));
    FrameInfo info = liveKitInfo(text(v, "codec"));
    if (!v.at("type").is_null()) info.type = text(v, "type") == "key" ? FrameType::kKey : FrameType::kDelta;
    info.ssrc = v.at("ssrc").get<std::uint32_t>();
    info.timestamp = v.at("rtp_timestamp").get<std::uint32_t>();
    Buffer encrypted = hex(v, "encrypted");
    // The IV stands before the last two bytes, escaped for H.264 and H.265.
    Buffer trailer(encrypted.end() - 20, encrypted.end());
    const std::size_t size = needsEscaping(Format::kLiveKit, info.codec) ? unescapeInPlace(trailer) : trailer.size();
    const Buffer iv(trailer.begin() + static_cast<std::ptrdiff_t>(size) - 14,
                    trailer.begin() + static_cast<std::ptrdiff_t>(size) - 2);
    bothWays(hex(vectors.at("key"), "ikm"), v.at("key_index").get<int>(), info, iv, hex(v, "plain"),
             hex(v, "decrypted"), encrypted);
  }
}

}  // namespace
}  // namespace siegel::test
