// Which bytes of an encoded frame stay readable, so that packetisers and SFUs can do their work.
//
// The clear bytes are always a prefix, they are authenticated, and they are as few as the format's other
// implementations use. Free functions, no state, no allocation. Every input is treated as hostile.
// Sources: lib-jitsi-meet modules/e2ee/Context.ts (JFrame), livekit client-sdk-js src/e2ee/worker (LiveKit),
// RFC 6386 9.1 (VP8), RFC 6716 3.1 (Opus TOC), ITU-T H.264 7.3.1 and B.1, H.265 7.3.1.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "siegel/frame.h"
#include "siegel/result.h"

namespace siegel {

// Number of clear bytes in front of `frame`.
//   JFrame   Opus 1; VP8 and VP9: key 10, delta 3
//   LiveKit  Opus 1; VP8: key 10, delta 3; VP9 (SVC layers too) 0; H.264, H.265: up to and including two bytes of the
//   first slice NAL unit SFrame   0: the whole frame is ciphertext
// Errors: kEmptyFrame; kUnsupportedCodec (AV1, unknown; H.264 and H.265 in JFrame); kUnsupportedFrameType;
// kFrameTooShort when the frame is shorter than its clear bytes; kMalformed when H.264 or H.265 is not an Annex B
// stream with a slice. Cost: O(1), for H.264 and H.265 one pass up to the first slice.
[[nodiscard]] Result<std::size_t> clearBytes(Format format, Codec codec, FrameType type,
                                             std::span<const std::uint8_t> frame);

// True where ciphertext has to be protected against looking like a start code (H.264, H.265 in LiveKit).
[[nodiscard]] constexpr bool needsEscaping(Format format, Codec codec) {
  return format == Format::kLiveKit && (codec == Codec::kH264 || codec == Codec::kH265);
}

// Number of three-byte start codes in an Annex B prefix: what normaliseStartCodes adds.
[[nodiscard]] std::size_t countShortStartCodes(std::span<const std::uint8_t> prefix);

// Rewrites `size` bytes at buffer[offset] so that every start code has four bytes, moving them towards the front.
// libwebrtc's depacketiser always hands out four-byte codes, and the clear bytes are authenticated as received.
// Returns the new size; the new offset is offset - (new size - size). REQUIRES: countShortStartCodes(...) <= offset.
std::size_t normaliseStartCodes(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t size);

// Emulation prevention (H.264 7.4.1.1) over buffer[offset, offset + size): a 03 before any byte <= 3 that follows two
// zeros. Returns the new size, or kBufferTooSmall and an untouched buffer.
[[nodiscard]] Result<std::size_t> escapeInPlace(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t size);

// The inverse; returns the new size (never larger).
std::size_t unescapeInPlace(std::span<std::uint8_t> bytes);

}  // namespace siegel
