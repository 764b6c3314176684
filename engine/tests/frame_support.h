// What the frame tests share: hex, random sources that tests control, and sealing and opening of whole vectors in
// buffers that have exactly the room callers must keep (so that AddressSanitizer sees every byte beyond it).
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "siegel/frame.h"
#include "siegel/frame_opener.h"
#include "siegel/frame_sealer.h"
#include "siegel/random.h"

namespace siegel::test {

using Buffer = std::vector<std::uint8_t>;

inline Buffer fromHex(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); };
  Buffer out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return out;
}

inline std::string toHex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

inline std::uint32_t big32(std::span<const std::uint8_t> in) {
  return std::uint32_t{in[0]} << 24 | std::uint32_t{in[1]} << 16 | std::uint32_t{in[2]} << 8 | in[3];
}

// A RandomSource that hands out fixed bytes: the first four are the counter that the sealer starts with.
struct FixedRandom {
  explicit FixedRandom(std::uint32_t start, std::uint16_t more = 0)
      : bytes{static_cast<std::uint8_t>(start >> 24),
              static_cast<std::uint8_t>(start >> 16),
              static_cast<std::uint8_t>(start >> 8),
              static_cast<std::uint8_t>(start),
              static_cast<std::uint8_t>(more >> 8),
              static_cast<std::uint8_t>(more),
              0,
              0} {}
  RandomSource source() {
    return {[](void* context, std::span<std::uint8_t> out) {
              const auto& bytes = static_cast<FixedRandom*>(context)->bytes;
              for (std::size_t i = 0; i < out.size(); ++i) out[i] = bytes[i % bytes.size()];
            },
            this};
  }
  std::array<std::uint8_t, 8> bytes;
};

struct Outcome {
  Error error = Error::kNone;
  Buffer frame;
  FrameResult info;
  [[nodiscard]] bool ok() const { return error == Error::kNone; }
};

inline Outcome outcome(const Result<FrameResult>& result, std::span<const std::uint8_t> buffer) {
  if (!result.ok()) return {result.error(), {}, {}};
  const auto bytes = buffer.subspan(result.value().offset, result.value().size);
  return {Error::kNone, Buffer(bytes.begin(), bytes.end()), result.value()};
}

inline Outcome seal(FrameSealer& sealer, std::span<const std::uint8_t> frame, const FrameInfo& info) {
  Buffer buffer(kHeadroom + frame.size() + tailroom(frame.size()));
  std::copy(frame.begin(), frame.end(), buffer.begin() + kHeadroom);
  return outcome(sealer.seal(buffer, kHeadroom, frame.size(), info), buffer);
}

// Opening needs no room around the frame.
inline Outcome open(FrameOpener& opener, std::span<const std::uint8_t> frame, const FrameInfo& info, double nowMs = 0) {
  Buffer buffer(frame.begin(), frame.end());
  return outcome(opener.open(buffer, 0, frame.size(), info, nowMs), buffer);
}

// Reproducible: the seed is part of every failure message through SCOPED_TRACE or the test's name.
inline Buffer randomBytes(std::mt19937& engine, std::size_t size) {
  Buffer out(size);
  for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine());
  return out;
}

inline Buffer join(std::initializer_list<Buffer> parts) {
  Buffer out;
  for (const Buffer& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

inline constexpr FrameInfo kOpusFrame{Codec::kOpus, FrameType::kAudio, 0x01020304, 960};
inline constexpr FrameInfo kVp8KeyFrame{Codec::kVp8, FrameType::kKey, 0x01020304, 90000};
inline constexpr FrameInfo kVp8DeltaFrame{Codec::kVp8, FrameType::kDelta, 0x01020304, 93000};

}  // namespace siegel::test
