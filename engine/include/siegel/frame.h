// What a frame is to the engine: the closed enums and plain structs that every format shares.
// Mirrored in web/media/engine_types.ts; a test compares the numbers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siegel {

enum class Format : std::uint8_t { kJFrame = 0, kLiveKit = 1, kSFrame = 2 };
enum class Codec : std::uint8_t { kUnknown = 0, kOpus = 1, kVp8 = 2, kVp9 = 3, kH264 = 4, kH265 = 5, kAv1 = 6 };
enum class FrameType : std::uint8_t { kAudio = 0, kKey = 1, kDelta = 2, kOther = 3 };
// How AES keys come out of what the application hands over.
enum class Derivation : std::uint8_t {
  kHkdf = 0,    // the format's own HKDF-SHA256 labels
  kPbkdf2 = 1,  // LiveKit pass phrases: PBKDF2-SHA256, 100,000 rounds; never ratcheted by trial
  kRaw = 2,     // the AES key itself (16, 24 or 32 bytes): Jitsi's externally managed key; cannot be ratcheted
};

// What the browser tells about an encoded frame. `ssrc` and `timestamp` come from its metadata.
struct FrameInfo {
  Codec codec = Codec::kUnknown;
  FrameType type = FrameType::kOther;
  std::uint32_t ssrc = 0;
  std::uint32_t timestamp = 0;
};

}  // namespace siegel
