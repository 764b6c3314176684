// Sealer and opener as their callers use them: bytes of the trailer, key handling, and the split path for WebCrypto.
// What must never happen is in requirements_test.cc; published bytes are in vectors_test.cc.
#include <gtest/gtest.h>

#include <set>

#include "frame_support.h"
#include "siegel/aes_gcm.h"
#include "siegel/layout.h"

namespace siegel::test {
namespace {

constexpr Format kTrailerFormats[] = {Format::kJFrame, Format::kLiveKit};
const Buffer kMaterial = fromHex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
const Buffer kH264Frame = fromHex("0000016742c01f00000168ce3c8000000165888400000300000001020304050607");
constexpr FrameInfo kH264KeyFrame{Codec::kH264, FrameType::kKey, 0x0A0B0C0D, 77};

TEST(FramesTest, TrailerByteForByte) {
  for (const Format format : kTrailerFormats) {
    FixedRandom random(0xFFFFFFFE);
    FrameSealer sealer({.format = format, .random = random.source()});
    ASSERT_EQ(sealer.setKey(7, kMaterial, Derivation::kHkdf, true), Error::kNone);
    const char* counters[] = {"fffffffe", "ffffffff", "00000000"};
    for (const char* counter : counters) {
      const Outcome out = seal(sealer, fromHex("78aabbcc"), {Codec::kOpus, FrameType::kAudio, 0xDDF2D1C4, 0x311C87AD});
      ASSERT_TRUE(out.ok());
      EXPECT_EQ(out.frame.size(), 4U + 30);
      EXPECT_EQ(out.frame[0], 0x78);
      EXPECT_EQ(toHex(std::span(out.frame).last(14)), std::string("ddf2d1c4311c87ad") + counter + "0c07");
      EXPECT_EQ(out.info.clear, 1U);
      EXPECT_EQ(out.info.keyIndex, 7U);
      EXPECT_EQ(out.info.ivSsrc, 0xDDF2D1C4);
    }
  }
}

TEST(FramesTest, KeyIndexGoesAroundTheRing) {
  for (const Format format : kTrailerFormats) {
    for (const int ring : {1, 16, 256}) {
      FrameSealer sealer({.format = format, .ringSize = ring});
      FrameOpener opener({.format = format, .ringSize = ring});
      for (const int index : {0, 5, 15, 16, 17, 255, 256, 1000}) {
        ASSERT_EQ(sealer.setKey(index, kMaterial, Derivation::kHkdf, true), Error::kNone);
        ASSERT_EQ(opener.setKey(index, kMaterial, Derivation::kHkdf), Error::kNone);
        EXPECT_EQ(sealer.currentKeyIndex(), index % ring);
        const Outcome sealed = seal(sealer, Buffer(9, 1), kOpusFrame);
        EXPECT_EQ(sealed.frame.back(), index % ring);
        EXPECT_TRUE(open(opener, sealed.frame, kOpusFrame).ok());
      }
      EXPECT_EQ(sealer.setKey(-1, kMaterial, Derivation::kHkdf, true), Error::kInvalidArgument);
      EXPECT_EQ(opener.setKey(-1, kMaterial, Derivation::kHkdf), Error::kInvalidArgument);
    }
    // A key index beyond the ring is not taken around it: the sender's ring must be the same.
    FrameSealer wide({.format = format, .ringSize = 256});
    FrameOpener narrow({.format = format, .ringSize = 16});
    ASSERT_EQ(wide.setKey(17, kMaterial, Derivation::kHkdf, true), Error::kNone);
    ASSERT_EQ(narrow.setKey(17, kMaterial, Derivation::kHkdf), Error::kNone);
    EXPECT_EQ(open(narrow, seal(wide, Buffer(9, 1), kOpusFrame).frame, kOpusFrame).error, Error::kMissingKey);
  }
}

TEST(FramesTest, KeyMaterialLengths) {
  for (const Format format : kTrailerFormats) {
    FrameSealer sealer({.format = format});
    FrameOpener opener({.format = format});
    for (std::size_t size = 0; size < 40; ++size) {
      const Buffer material(size, 3);
      const bool raw = size == 16 || size == 24 || size == 32;
      EXPECT_EQ(sealer.setKey(0, material, Derivation::kRaw, true), raw ? Error::kNone : Error::kInvalidKey) << size;
      EXPECT_EQ(opener.setKey(0, material, Derivation::kRaw), raw ? Error::kNone : Error::kInvalidKey) << size;
      if (raw) {
        EXPECT_TRUE(open(opener, seal(sealer, Buffer(9, 1), kOpusFrame).frame, kOpusFrame).ok());
      }
      EXPECT_EQ(sealer.setKey(1, material, Derivation::kHkdf, true), size > 0 ? Error::kNone : Error::kInvalidKey);
    }
    EXPECT_EQ(opener.setKey(0, Buffer(4096, 1), Derivation::kHkdf), Error::kNone);
    EXPECT_EQ(opener.setKey(0, Buffer(4097, 1), Derivation::kHkdf), Error::kInvalidKey);
    EXPECT_EQ(sealer.setSFrameKey(4, 1, kMaterial), Error::kInvalidArgument);
    EXPECT_EQ(opener.setSFrameKey(4, 1, kMaterial), Error::kInvalidArgument);
    EXPECT_EQ(sealer.setMetadata(kMaterial), Error::kInvalidArgument);
  }
}

// A key that is refused leaves the one that was there.
TEST(FramesTest, ARefusedKeyChangesNothing) {
  for (const Format format : kTrailerFormats) {
    FrameSealer sealer({.format = format});
    FrameOpener opener({.format = format});
    ASSERT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kNone);
    ASSERT_EQ(opener.setKey(0, kMaterial, Derivation::kHkdf), Error::kNone);
    EXPECT_EQ(sealer.setKey(0, Buffer(15, 1), Derivation::kRaw, true), Error::kInvalidKey);
    EXPECT_EQ(opener.setKey(0, Buffer(15, 1), Derivation::kRaw), Error::kInvalidKey);
    EXPECT_TRUE(open(opener, seal(sealer, Buffer(9, 1), kOpusFrame).frame, kOpusFrame).ok());
  }
  FrameSealer sealer({.format = Format::kSFrame});
  FrameOpener opener({.format = Format::kSFrame});
  ASSERT_EQ(sealer.setSFrameKey(4, 9, kMaterial), Error::kNone);
  ASSERT_EQ(opener.setSFrameKey(4, 9, kMaterial), Error::kNone);
  EXPECT_EQ(sealer.setSFrameKey(4, 9, {}), Error::kInvalidKey);
  EXPECT_EQ(opener.setSFrameKey(4, 9, Buffer(65, 1)), Error::kInvalidKey);
  EXPECT_EQ(opener.setSFrameKey(9, 9, kMaterial), Error::kUnsupportedSuite);
  EXPECT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kInvalidArgument);
  EXPECT_EQ(sealer.setMetadata(Buffer(513, 1)), Error::kInvalidArgument);
  EXPECT_TRUE(open(opener, seal(sealer, Buffer(9, 1), kOpusFrame).frame, kOpusFrame).ok());
}

// Keys are handed out ahead of their use: only `current` switches.
TEST(FramesTest, AKeySetAheadDoesNotSealYet) {
  FrameSealer sealer({.format = Format::kLiveKit});
  ASSERT_EQ(sealer.setKey(1, kMaterial, Derivation::kHkdf, false), Error::kNone);
  EXPECT_EQ(seal(sealer, Buffer(9, 1), kOpusFrame).error, Error::kMissingKey);
  ASSERT_EQ(sealer.setKey(2, Buffer(32, 9), Derivation::kHkdf, true), Error::kNone);
  ASSERT_EQ(sealer.setKey(3, Buffer(32, 8), Derivation::kHkdf, false), Error::kNone);
  EXPECT_EQ(seal(sealer, Buffer(9, 1), kOpusFrame).frame.back(), 2);
  ASSERT_EQ(sealer.setKey(1, kMaterial, Derivation::kHkdf, true), Error::kNone);
  EXPECT_EQ(seal(sealer, Buffer(9, 1), kOpusFrame).frame.back(), 1);
}

TEST(FramesTest, H264StartCodesGrowAndComeBackLong) {
  FrameSealer sealer({.format = Format::kLiveKit});
  FrameOpener opener({.format = Format::kLiveKit});
  ASSERT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kNone);
  ASSERT_EQ(opener.setKey(0, kMaterial, Derivation::kHkdf), Error::kNone);
  const Outcome sealed = seal(sealer, kH264Frame, kH264KeyFrame);
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(sealed.info.clear, 22U);
  EXPECT_EQ(toHex(std::span(sealed.frame).first(22)), "000000016742c01f0000000168ce3c80000000016588");
  const Outcome opened = open(opener, sealed.frame, kH264KeyFrame);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(toHex(opened.frame), "000000016742c01f0000000168ce3c800000000165888400000300000001020304050607");
}

// Enough frames that ciphertext, tag, IV and every border between them needs escapes somewhere.
TEST(FramesTest, H264CiphertextNeverLooksLikeAStartCode) {
  FrameSealer sealer({.format = Format::kLiveKit});
  FrameOpener opener({.format = Format::kLiveKit});
  ASSERT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kNone);
  ASSERT_EQ(opener.setKey(0, kMaterial, Derivation::kHkdf), Error::kNone);
  const Buffer plain = join({fromHex("00000001658811"), Buffer(3000, 0)});
  std::size_t escapes = 0;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const FrameInfo info{Codec::kH264, FrameType::kKey, i % 3, i << (i % 2 == 0 ? 0 : 16)};
    const Outcome sealed = seal(sealer, plain, info);
    ASSERT_TRUE(sealed.ok());
    escapes += sealed.frame.size() - plain.size() - 30;
    for (std::size_t at = sealed.info.clear; at + 2 < sealed.frame.size(); ++at) {
      ASSERT_FALSE(sealed.frame[at] == 0 && sealed.frame[at + 1] == 0 && sealed.frame[at + 2] < 3) << i << " " << at;
    }
    ASSERT_EQ(open(opener, sealed.frame, info).frame, plain) << i;
  }
  EXPECT_GT(escapes, 300U) << "the IVs with their zeros alone";
}

// ---- the split path ----------------------------------------------------------------------------------------------

// A second AES-GCM in WebCrypto's place.
Buffer sealElsewhere(const SealPlan& plan, std::span<const std::uint8_t> clear) {
  scalar::AesGcm aes;
  EXPECT_EQ(aes.setKey(plan.key), Error::kNone);
  Buffer text(plan.text.begin(), plan.text.end());
  std::array<std::uint8_t, kGcmTagSize> tag{};
  aes.seal(plan.iv.first<12>(), clear, text, tag);
  text.insert(text.end(), tag.begin(), tag.end());
  return text;
}

struct Room {
  explicit Room(const Buffer& frame) : buffer(kHeadroom + frame.size() + tailroom(frame.size())), size(frame.size()) {
    std::copy(frame.begin(), frame.end(), buffer.begin() + kHeadroom);
  }
  Buffer buffer;
  std::size_t size;
};

TEST(FramesTest, SplitSealGivesTheSameBytes) {
  for (const Format format : kTrailerFormats) {
    for (const FrameInfo& info : {kOpusFrame, kVp8KeyFrame, kVp8DeltaFrame, kH264KeyFrame}) {
      if (format == Format::kJFrame && info.codec == Codec::kH264) continue;
      const Buffer frame = info.codec == Codec::kH264 ? kH264Frame : Buffer(500, 0x42);
      FixedRandom random(99);
      FrameSealer whole({.format = format, .random = random.source()});
      FrameSealer split({.format = format, .random = random.source()});
      ASSERT_EQ(whole.setKey(3, kMaterial, Derivation::kHkdf, true), Error::kNone);
      ASSERT_EQ(split.setKey(3, kMaterial, Derivation::kHkdf, true), Error::kNone);
      Room room(frame);
      const Result<SealPlan> plan = split.begin(room.buffer, kHeadroom, room.size, info);
      ASSERT_TRUE(plan.ok());
      const FrameResult& planned = plan.value().frame;
      const Buffer clear(room.buffer.begin() + static_cast<std::ptrdiff_t>(planned.offset),
                         room.buffer.begin() + static_cast<std::ptrdiff_t>(planned.offset + planned.clear));
      const Buffer sealed = join({clear, sealElsewhere(plan.value(), clear)});
      Room back(sealed);
      const auto result = split.finish(plan.value().ticket, back.buffer, kHeadroom, sealed.size());
      const Outcome out = outcome(result, back.buffer);
      ASSERT_TRUE(out.ok());
      const Outcome expected = seal(whole, frame, info);
      EXPECT_EQ(toHex(out.frame), toHex(expected.frame));
      EXPECT_EQ(out.info.clear, expected.info.clear);
      EXPECT_EQ(out.info.keyIndex, 3U);
      // A ticket ends with finish; its IV is used up, and so is that of a ticket that was cancelled.
      EXPECT_EQ(split.finish(plan.value().ticket, back.buffer, kHeadroom, sealed.size()).error(),
                Error::kInvalidArgument);
      Room third(frame);
      const auto cancelled = split.begin(third.buffer, kHeadroom, third.size, info);
      ASSERT_TRUE(cancelled.ok());
      const Buffer iv(cancelled.value().iv.begin(), cancelled.value().iv.end());
      split.cancel(cancelled.value().ticket);
      EXPECT_EQ(split.finish(cancelled.value().ticket, back.buffer, kHeadroom, sealed.size()).error(),
                Error::kInvalidArgument);
      Room fourth(frame);
      const auto next = split.begin(fourth.buffer, kHeadroom, fourth.size, info);
      ASSERT_TRUE(next.ok());
      EXPECT_NE(toHex(next.value().iv), toHex(iv));
    }
  }
}

TEST(FramesTest, SplitSealTicketsAreFew) {
  FrameSealer sealer({.format = Format::kJFrame});
  ASSERT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kNone);
  std::set<std::uint32_t> tickets;
  const Buffer frame(50, 1);
  for (std::size_t i = 0; i < FrameSealer::kMaxInFlight; ++i) {
    Room room(frame);
    const auto plan = sealer.begin(room.buffer, kHeadroom, room.size, kOpusFrame);
    ASSERT_TRUE(plan.ok());
    EXPECT_TRUE(tickets.insert(plan.value().ticket).second);
  }
  Room room(frame);
  EXPECT_EQ(sealer.begin(room.buffer, kHeadroom, room.size, kOpusFrame).error(), Error::kInvalidArgument);
  EXPECT_TRUE(seal(sealer, frame, kOpusFrame).ok()) << "the direct path does not need one";
  sealer.cancel(*tickets.begin());
  EXPECT_TRUE(sealer.begin(room.buffer, kHeadroom, room.size, kOpusFrame).ok());
  EXPECT_EQ(sealer.finish(0, room.buffer, kHeadroom, 60).error(), Error::kInvalidArgument);
  EXPECT_EQ(sealer.finish(*tickets.rbegin(), room.buffer, kHeadroom, 10).error(), Error::kInvalidArgument)
      << "shorter than clear bytes and tag";
}

TEST(FramesTest, SplitPathIsNotForSFrame) {
  FrameSealer sealer({.format = Format::kSFrame});
  FrameOpener opener({.format = Format::kSFrame});
  Buffer buffer(300);
  EXPECT_EQ(sealer.begin(buffer, 64, 50, kOpusFrame).error(), Error::kUnsupportedSuite);
  EXPECT_EQ(opener.begin(buffer, 64, 50, kOpusFrame).error(), Error::kUnsupportedSuite);
}

struct SplitOpen {
  explicit SplitOpen(Format format) : sealer({.format = format}), opener({.format = format}) {
    EXPECT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kNone);
    EXPECT_EQ(opener.setKey(0, kMaterial, Derivation::kHkdf), Error::kNone);
  }
  // Begins, opens with the second AES-GCM, and gives ticket and size for finish.
  Result<OpenPlan> begin(Buffer& frame, const FrameInfo& info) { return opener.begin(frame, 0, frame.size(), info); }
  FrameSealer sealer;
  FrameOpener opener;
};

TEST(FramesTest, SplitOpenGivesTheSameBytes) {
  for (const Format format : kTrailerFormats) {
    for (const FrameInfo& info : {kOpusFrame, kVp8KeyFrame, kH264KeyFrame}) {
      if (format == Format::kJFrame && info.codec == Codec::kH264) continue;
      SplitOpen both(format);
      const Buffer plain =
          info.codec == Codec::kH264 ? join({fromHex("000000016588"), Buffer(500, 0)}) : Buffer(500, 7);
      Buffer frame = seal(both.sealer, plain, info).frame;
      const Buffer original = frame;
      const auto plan = both.begin(frame, info);
      ASSERT_TRUE(plan.ok());
      const OpenPlan& p = plan.value();
      scalar::AesGcm aes;
      ASSERT_EQ(aes.setKey(p.key), Error::kNone);
      Buffer text(p.text.begin(), p.text.end());
      std::array<std::uint8_t, kGcmTagSize> tag{};
      std::copy(text.end() - 16, text.end(), tag.begin());
      text.resize(text.size() - 16);
      ASSERT_EQ(aes.open(p.iv.first<12>(), std::span(frame).first(p.frame.clear), text, tag), Error::kNone);
      EXPECT_EQ(toHex(join({Buffer(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(p.frame.clear)), text})),
                toHex(plain));
      EXPECT_EQ(p.frame.size, plain.size());
      EXPECT_EQ(both.opener.finish(p.ticket, p.frame.size, true), Error::kNone);
      EXPECT_EQ(both.opener.finish(p.ticket, p.frame.size, true), Error::kInvalidArgument);
      Buffer again = original;
      EXPECT_EQ(both.begin(again, info).error(), Error::kReplay);
      EXPECT_EQ(open(both.opener, original, info).error, Error::kReplay) << "one window for both paths";
    }
  }
}

// The window moves with a verified finish only, whatever overlaps.
TEST(FramesTest, SplitOpenMovesTheWindowLate) {
  for (const Format format : kTrailerFormats) {
    SplitOpen both(format);
    const Buffer frame = seal(both.sealer, Buffer(100, 7), kOpusFrame).frame;
    Buffer first = frame;
    Buffer second = frame;
    const auto a = both.begin(first, kOpusFrame);
    const auto b = both.begin(second, kOpusFrame);
    ASSERT_TRUE(a.ok());
    ASSERT_TRUE(b.ok());
    EXPECT_EQ(both.opener.finish(a.value().ticket, 100, false), Error::kAuthentication);
    EXPECT_EQ(both.opener.finish(b.value().ticket, 100, true), Error::kNone);
    Buffer third = frame;
    EXPECT_EQ(both.begin(third, kOpusFrame).error(), Error::kReplay);

    const Buffer other = seal(both.sealer, Buffer(100, 7), kOpusFrame).frame;
    Buffer x = other;
    Buffer y = other;
    const auto c = both.begin(x, kOpusFrame);
    const auto d = both.begin(y, kOpusFrame);
    EXPECT_EQ(both.opener.finish(c.value().ticket, 100, true), Error::kNone);
    EXPECT_EQ(both.opener.finish(d.value().ticket, 100, true), Error::kReplay) << "the same frame, twice in flight";
    // A length that was not planned.
    Buffer z = seal(both.sealer, Buffer(100, 7), kOpusFrame).frame;
    const auto e = both.begin(z, kOpusFrame);
    EXPECT_EQ(both.opener.finish(e.value().ticket, 99, true), Error::kInvalidArgument);
  }
}

TEST(FramesTest, SplitOpenOutlivesNoKey) {
  for (const Format format : kTrailerFormats) {
    SplitOpen both(format);
    Buffer frame = seal(both.sealer, Buffer(100, 7), kOpusFrame).frame;
    const auto replaced = both.begin(frame, kOpusFrame);
    const std::uint32_t serial = replaced.value().keySerial;
    ASSERT_EQ(both.opener.setKey(0, kMaterial, Derivation::kHkdf), Error::kNone);  // the same: nothing happens
    Buffer second = seal(both.sealer, Buffer(100, 7), kOpusFrame).frame;
    const auto same = both.begin(second, kOpusFrame);
    EXPECT_EQ(same.value().keySerial, serial);
    ASSERT_EQ(both.opener.setKey(0, Buffer(32, 5), Derivation::kHkdf), Error::kNone);
    EXPECT_EQ(both.opener.finish(replaced.value().ticket, 100, true), Error::kMissingKey);
    ASSERT_EQ(both.opener.dropKey(0), Error::kNone);
    EXPECT_EQ(both.opener.finish(same.value().ticket, 100, true), Error::kMissingKey);
  }
}

TEST(FramesTest, KeySerialChangesWithTheKey) {
  FrameSealer sealer({.format = Format::kJFrame});
  std::set<std::uint32_t> serials;
  const auto serial = [&] {
    Room room(Buffer(50, 1));
    const auto plan = sealer.begin(room.buffer, kHeadroom, room.size, kOpusFrame);
    sealer.cancel(plan.value().ticket);
    return plan.value().keySerial;
  };
  ASSERT_EQ(sealer.setKey(0, kMaterial, Derivation::kHkdf, true), Error::kNone);
  EXPECT_TRUE(serials.insert(serial()).second);
  EXPECT_FALSE(serials.insert(serial()).second);
  ASSERT_TRUE(sealer.ratchet().ok());
  EXPECT_TRUE(serials.insert(serial()).second);
  ASSERT_EQ(sealer.setKey(1, Buffer(32, 4), Derivation::kHkdf, true), Error::kNone);
  EXPECT_TRUE(serials.insert(serial()).second);
  ASSERT_EQ(sealer.setKey(1, Buffer(32, 5), Derivation::kHkdf, true), Error::kNone);
  EXPECT_TRUE(serials.insert(serial()).second);
}

// ---- SFrame ------------------------------------------------------------------------------------------------------

TEST(FramesTest, SFrameKidsOfEverySize) {
  for (const std::uint64_t kid : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{8}, std::uint64_t{0xFFFF},
                                  std::uint64_t{1} << 40, UINT64_MAX}) {
    for (int suite = 1; suite <= 5; ++suite) {
      FrameSealer sealer({.format = Format::kSFrame});
      FrameOpener opener({.format = Format::kSFrame});
      ASSERT_EQ(sealer.setSFrameKey(suite, kid, kMaterial), Error::kNone);
      ASSERT_EQ(opener.setSFrameKey(suite, kid, kMaterial), Error::kNone);
      for (const FrameInfo& info : {kOpusFrame, kVp8KeyFrame, kH264KeyFrame}) {
        const Outcome sealed = seal(sealer, kH264Frame, info);
        ASSERT_TRUE(sealed.ok());
        const Outcome opened = open(opener, sealed.frame, info);
        ASSERT_TRUE(opened.ok());
        EXPECT_EQ(opened.frame, kH264Frame);
        EXPECT_EQ(opened.info.clear, 0U);
        EXPECT_EQ(opened.info.keyIndex, static_cast<std::uint32_t>(kid));
      }
    }
  }
}

// The step lives in the low eight bits of the KID and wraps there (RFC 9605 5.1).
TEST(FramesTest, SFrameRatchetStepWrapsInsideTheKid) {
  FrameSealer sealer({.format = Format::kSFrame});
  FrameOpener opener({.format = Format::kSFrame});
  ASSERT_EQ(sealer.setSFrameKey(4, 0x1FE, kMaterial), Error::kNone);
  ASSERT_EQ(opener.setSFrameKey(4, 0x1FE, kMaterial), Error::kNone);
  for (std::uint32_t kid : {0x1FFU, 0x100U, 0x101U}) {
    ASSERT_TRUE(sealer.ratchet().ok());
    const Outcome out = open(opener, seal(sealer, Buffer(9, 1), kOpusFrame).frame, kOpusFrame);
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.info.keyIndex, kid);
  }
}

// Frames of the step before arrive after those of the next one: the network reorders across a ratchet, too.
TEST(FramesTest, SFrameOpensTheStepBeforeAfterARatchet) {
  FrameSealer sealer({.format = Format::kSFrame});
  FrameOpener opener({.format = Format::kSFrame});
  ASSERT_EQ(sealer.setSFrameKey(5, 0x100, kMaterial), Error::kNone);
  ASSERT_EQ(opener.setSFrameKey(5, 0x100, kMaterial), Error::kNone);
  const Buffer before = seal(sealer, Buffer(9, 1), kOpusFrame).frame;
  ASSERT_TRUE(sealer.ratchet().ok());
  EXPECT_TRUE(open(opener, seal(sealer, Buffer(9, 2), kOpusFrame).frame, kOpusFrame).ok());
  EXPECT_TRUE(open(opener, before, kOpusFrame).ok());
  EXPECT_EQ(open(opener, before, kOpusFrame).error, Error::kReplay);
}

}  // namespace
}  // namespace siegel::test
