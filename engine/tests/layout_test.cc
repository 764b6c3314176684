// Clear bytes of every codec, start codes and emulation prevention. The published worker of LiveKit judges the same
// things on random frames in tests/vectors/livekit_oracle.test.mjs.
#include "siegel/layout.h"

#include <gtest/gtest.h>

#include "frame_support.h"

namespace siegel::test {
namespace {

constexpr Format kFormats[] = {Format::kJFrame, Format::kLiveKit, Format::kSFrame};

std::string shown(const Result<std::size_t>& result) {
  return result.ok() ? std::to_string(result.value()) : "error " + std::to_string(static_cast<int>(result.error()));
}
std::string error(Error e) { return "error " + std::to_string(static_cast<int>(e)); }

// One row for each codec and type; a column for each format. Anything that is not a number here is dropped.
TEST(LayoutTest, ClearBytesOfEveryCodec) {
  const Buffer frame(100, 0x11);
  const std::string codec = error(Error::kUnsupportedCodec);
  const std::string type = error(Error::kUnsupportedFrameType);
  const std::string malformed = error(Error::kMalformed);  // 0x11… is no Annex B stream
  struct Row {
    Codec codec;
    FrameType type;
    std::array<std::string, 3> expected;  // JFrame, LiveKit, SFrame
  };
  const Row rows[] = {
      {Codec::kOpus, FrameType::kAudio, {"1", "1", "0"}},
      {Codec::kOpus, FrameType::kKey, {type, type, type}},
      {Codec::kOpus, FrameType::kDelta, {type, type, type}},
      {Codec::kOpus, FrameType::kOther, {type, type, type}},
      {Codec::kVp8, FrameType::kKey, {"10", "10", "0"}},
      {Codec::kVp8, FrameType::kDelta, {"3", "3", "0"}},
      {Codec::kVp8, FrameType::kAudio, {type, type, type}},
      {Codec::kVp8, FrameType::kOther, {type, type, type}},
      {Codec::kVp9, FrameType::kKey, {"10", "0", "0"}},
      {Codec::kVp9, FrameType::kDelta, {"3", "0", "0"}},
      {Codec::kVp9, FrameType::kAudio, {type, type, type}},
      {Codec::kVp9, FrameType::kOther, {type, type, type}},
      {Codec::kH264, FrameType::kKey, {codec, malformed, "0"}},
      {Codec::kH264, FrameType::kDelta, {codec, malformed, "0"}},
      {Codec::kH264, FrameType::kAudio, {codec, type, type}},
      {Codec::kH265, FrameType::kKey, {codec, malformed, "0"}},
      {Codec::kH265, FrameType::kOther, {codec, type, type}},
      {Codec::kAv1, FrameType::kKey, {codec, codec, codec}},
      {Codec::kAv1, FrameType::kDelta, {codec, codec, codec}},
      {Codec::kUnknown, FrameType::kKey, {codec, codec, codec}},
      {Codec::kUnknown, FrameType::kAudio, {codec, codec, codec}},
  };
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(shown(clearBytes(kFormats[i], row.codec, row.type, frame)), row.expected[i])
          << "codec " << static_cast<int>(row.codec) << " type " << static_cast<int>(row.type) << " format " << i;
      EXPECT_EQ(clearBytes(kFormats[i], row.codec, row.type, {}).error(), Error::kEmptyFrame);
    }
  }
}

TEST(LayoutTest, FramesShorterThanTheirClearBytes) {
  for (const Format format : {Format::kJFrame, Format::kLiveKit}) {
    for (std::size_t size = 1; size < 12; ++size) {
      const Buffer frame(size, 0x11);
      const auto key = clearBytes(format, Codec::kVp8, FrameType::kKey, frame);
      const auto delta = clearBytes(format, Codec::kVp8, FrameType::kDelta, frame);
      EXPECT_EQ(key.error(), size < 10 ? Error::kFrameTooShort : Error::kNone);
      EXPECT_EQ(delta.error(), size < 3 ? Error::kFrameTooShort : Error::kNone);
    }
  }
}

TEST(LayoutTest, H264AndH265FirstSlice) {
  struct Row {
    Codec codec;
    const char* frame;
    int clear;  // -1: malformed
  };
  const Row rows[] = {
      {Codec::kH264, "0000000165880102030405", 6},                               // IDR, four-byte start code
      {Codec::kH264, "00000165880102030405", 5},                                 // three-byte
      {Codec::kH264, "00000001419a0102030405", 6},                               // non-IDR slice
      {Codec::kH264, "000000016742c01f0000000168ce3c80000000016588840000", 22},  // SPS, PPS, IDR
      {Codec::kH264, "0000000106051122330000014100112233", 14},                  // SEI, three-byte start code, slice
      {Codec::kH264, "00000000000165880102030405", 8},                           // zeros may stand in front
      {Codec::kH264, "010000000165880102030405", -1},                            // other bytes may not
      {Codec::kH264, "6588010203040506", -1},                                    // no start code
      {Codec::kH264, "0000000167420102030405", -1},                              // no slice
      {Codec::kH264, "000000016588010203", 6},                                   // five bytes in the unit
      {Codec::kH264, "0000000165880102", 6},                                     // four
      {Codec::kH264, "00000001658801", -1},  // three: LiveKit's scanner does not see it
      {Codec::kH264, "000001", -1},
      {Codec::kH264, "00000001", -1},
      {Codec::kH264, "0000000000000000", -1},
      {Codec::kH265, "00000001400102030000000142010203000000012601aabbccdd", 22},  // VPS, SPS, IDR_W_RADL
      {Codec::kH265, "000000010201aabbccdd", 6},                                   // TRAIL_R
      {Codec::kH265, "000000010001aabbccdd", 6},                                   // TRAIL_N: header byte 0
      {Codec::kH265, "000000012a01aabbccdd", 6},                                   // CRA, type 21
      {Codec::kH265, "000000012c01aabbccdd", -1},                                  // type 22, reserved
      {Codec::kH265, "000000011401aabbccdd", -1},                                  // type 10, reserved
      {Codec::kH265, "000000014e01aabbccdd", -1},                                  // SEI
  };
  for (const Row& row : rows) {
    const Buffer frame = fromHex(row.frame);
    for (const FrameType type : {FrameType::kKey, FrameType::kDelta}) {
      const auto clear = clearBytes(Format::kLiveKit, row.codec, type, frame);
      EXPECT_EQ(clear.ok() ? static_cast<int>(clear.value()) : -1, row.clear) << row.frame;
      if (!clear.ok()) {
        EXPECT_EQ(clear.error(), Error::kMalformed) << row.frame;
      }
    }
  }
}

TEST(LayoutTest, StartCodesGetFourBytes) {
  const std::pair<const char*, const char*> rows[] = {
      {"00000165", "0000000165"},
      {"0000000165", "0000000165"},
      {"0000016742000001680000000165", "000000016742000000016800 00000165"},
      {"000000000165", "000000000165"},
      {"67420001", "67420001"},
      {"", ""},
      {"0000", "0000"},
      {"000001", "00000001"},
      {"000001000001", "0000000100000001"},
  };
  for (const auto& [from, to] : rows) {
    std::string expectedHex = to;
    std::erase(expectedHex, ' ');
    const Buffer in = fromHex(from);
    const std::size_t added = countShortStartCodes(in);
    EXPECT_EQ(2 * added, expectedHex.size() - 2 * in.size()) << from;
    Buffer buffer(added, 0xEE);  // not one byte more in front than it may use
    buffer.insert(buffer.end(), in.begin(), in.end());
    EXPECT_EQ(normaliseStartCodes(buffer, added, in.size()), buffer.size()) << from;
    EXPECT_EQ(toHex(buffer), expectedHex) << from;
  }
}

TEST(LayoutTest, EmulationPrevention) {
  const std::pair<const char*, const char*> rows[] = {
      {"000000", "00000300"},
      {"000001", "00000301"},
      {"000002", "00000302"},
      {"000003", "00000303"},
      {"000004", "000004"},
      {"0000000000", "00000300000300"},
      {"00000000", "0000030000"},
      {"0000", "0000"},
      {"0100000300", "010000030300"},
      {"", ""},
      {"ff", "ff"},
  };
  for (const auto& [from, to] : rows) {
    Buffer buffer = fromHex(from);
    const std::size_t size = buffer.size();
    buffer.resize(fromHex(to).size());
    const auto escaped = escapeInPlace(buffer, 0, size);
    ASSERT_TRUE(escaped.ok()) << from;
    EXPECT_EQ(escaped.value(), buffer.size()) << from;
    EXPECT_EQ(toHex(buffer), to);
    buffer.resize(unescapeInPlace(buffer));
    EXPECT_EQ(toHex(buffer), from);
  }
}

TEST(LayoutTest, NoRoomLeavesTheBufferAlone) {
  Buffer buffer = fromHex("ff000000000000");
  const Buffer before = buffer;
  EXPECT_EQ(escapeInPlace(buffer, 1, 6).error(), Error::kBufferTooSmall);
  EXPECT_EQ(buffer, before);
}

// Random bytes made of what escapes are made of: the result never looks like a start code, and comes back.
TEST(LayoutTest, EscapesRoundTrip) {
  std::mt19937 random(0x51E6E3);  // NOLINT(cert-msc51-cpp): reproducible on purpose
  for (int round = 0; round < 20'000; ++round) {
    Buffer frame = randomBytes(random, random() % 80);
    for (std::uint8_t& byte : frame) byte = random() % 4 == 0 ? byte : byte % 5;
    Buffer buffer = frame;
    buffer.resize(frame.size() + tailroom(frame.size()));
    const auto size = escapeInPlace(buffer, 0, frame.size());
    ASSERT_TRUE(size.ok());
    buffer.resize(size.value());
    for (std::size_t i = 0; i + 2 < buffer.size(); ++i) {
      ASSERT_FALSE(buffer[i] == 0 && buffer[i + 1] == 0 && buffer[i + 2] < 3) << toHex(frame);
    }
    buffer.resize(unescapeInPlace(buffer));
    ASSERT_EQ(buffer, frame);
  }
}

}  // namespace
}  // namespace siegel::test
