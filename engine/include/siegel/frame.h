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
  // LiveKit, where WebCrypto already derived from a key that it does not hand out: the 32 bytes of the chain, with AES
  // keys of 128 or 256 bits. Ratchets like kHkdf.
  kChain = 3,
  kChain256 = 4,
};

// What the browser tells about an encoded frame. `ssrc` and `timestamp` come from its metadata; only sealing uses them.
struct FrameInfo {
  Codec codec = Codec::kUnknown;
  FrameType type = FrameType::kOther;
  std::uint32_t ssrc = 0;
  std::uint32_t timestamp = 0;
};

// Room that a caller keeps around a frame in its buffer, so that everything happens in place: in front for SFrame's
// header and for start codes that grow, behind for tag, trailer and (H.264, H.265) escape bytes.
inline constexpr std::size_t kHeadroom = 64;
constexpr std::size_t tailroom(std::size_t frameSize) { return 64 + (frameSize + 64) / 2; }

// Where the result lies in the caller's buffer, and what the engine measured about it.
struct FrameResult {
  std::size_t offset = 0;
  std::size_t size = 0;
  std::size_t clear = 0;         // authenticated clear bytes at `offset`
  std::uint32_t keyIndex = 0;    // low 32 bits of the KID for SFrame
  std::uint32_t ivSsrc = 0;      // SSRC inside the IV; 0 for SFrame
  std::uint32_t generation = 0;  // ratchet steps since the key was set
  bool injected = false;         // a silent frame of the SFU, let through by policy: never end-to-end encrypted media
};

}  // namespace siegel
