// Seals the frames of one sender in any of the three formats.
//
// Guarantees
//   - Without a current key seal() returns kMissingKey and writes nothing: there is no way to get a clear frame out.
//   - No nonce is used twice under one key by this object. JFrame and LiveKit put SSRC, RTP timestamp and the low 32
//   bits
//     of one counter into the IV; the counter runs over all SSRCs and keys of this object, starts at random and never
//     goes back. From the moment a key comes in, kMaxFramesPerKey frames later it refuses (kCounterExhausted), so those
//     32 bits never repeat under it. SFrame uses its 64-bit CTR the same way, starting below 2^48 at random.
//   - Setting the key that is already in a slot again changes nothing, above all not the counters.
// Shapes: the frame lies in buffer[offset, offset + length); keep kHeadroom bytes in front and tailroom(length) behind.
// Ownership: keys live here and are wiped on drop. Not copyable. Threads: one at a time.
// Cost: seal() touches each byte once (H.264, H.265 twice more for escaping); no allocation. Setting a key allocates.
// Sources: docs/formats.md, docs/nonces-and-replay.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "siegel/frame.h"
#include "siegel/random.h"
#include "siegel/result.h"

namespace siegel {

// 2^32 - 1: the counter field of the IV never meets itself again under one key.
inline constexpr std::uint64_t kMaxFramesPerKey = 0xFFFFFFFFU;
inline constexpr std::size_t kMaxMetadata = 512;

struct SealerOptions {
  Format format = Format::kJFrame;
  int ringSize = 16;  // 1..256 (JFrame, LiveKit)
  RandomSource random = systemRandom();
  std::uint64_t maxFramesPerKey = kMaxFramesPerKey;  // lower only in tests
};

// What another implementation of AES-GCM (WebCrypto) needs to seal one frame. Spans point into the sealer and the
// buffer and are valid until the next call.
struct SealPlan {
  FrameResult frame;  // offset and clear of the frame as it will be sent
  std::span<const std::uint8_t> iv;
  std::span<const std::uint8_t> key;
  std::span<const std::uint8_t> text;  // to be encrypted
  std::uint32_t keySerial = 0;         // changes whenever the key behind an index changes
  std::uint32_t ticket = 0;
};

class FrameSealer {
 public:
  explicit FrameSealer(const SealerOptions& options);
  ~FrameSealer();
  FrameSealer(const FrameSealer&) = delete;
  FrameSealer& operator=(const FrameSealer&) = delete;

  // JFrame, LiveKit: derives and installs at keyIndex % ringSize; `current` makes it the key that seals.
  // kInvalidArgument (negative index, SFrame), kInvalidKey.
  [[nodiscard]] Error setKey(int keyIndex, std::span<const std::uint8_t> material, Derivation derivation, bool current);
  // SFrame: the key that seals from now on (RFC 9605 4.4.2). kUnsupportedSuite, kInvalidKey (1..64 bytes).
  [[nodiscard]] Error setSFrameKey(int suite, std::uint64_t kid, std::span<const std::uint8_t> baseKey);
  // SFrame: application metadata in the AAD of every frame; at most kMaxMetadata bytes.
  [[nodiscard]] Error setMetadata(std::span<const std::uint8_t> metadata);
  // One generation ahead. SFrame: base_key' and KID + 1 within its low kSFrameRatchetBits bits. Returns the generation.
  // kMissingKey; kInvalidArgument for keys that cannot ratchet (pass phrase, raw).
  [[nodiscard]] Result<std::uint32_t> ratchet();
  [[nodiscard]] Error dropKey(int keyIndex);
  [[nodiscard]] int currentKeyIndex() const;  // -1 when there is none; low 31 bits of the KID for SFrame

  [[nodiscard]] Result<FrameResult> seal(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                         const FrameInfo& info);

  // The same in two halves (JFrame and LiveKit; SFrame: kUnsupportedSuite). begin uses up an IV for good. finish
  // expects clear bytes, ciphertext and tag, `length` in all, at buffer[offset] and appends the trailer. At most
  // kMaxInFlight tickets are open; further ones are refused with kInvalidArgument. A ticket ends with finish or cancel.
  static constexpr std::size_t kMaxInFlight = 64;
  [[nodiscard]] Result<SealPlan> begin(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                       const FrameInfo& info);
  [[nodiscard]] Result<FrameResult> finish(std::uint32_t ticket, std::span<std::uint8_t> buffer, std::size_t offset,
                                           std::size_t length);
  void cancel(std::uint32_t ticket);

 private:
  struct Slot;
  struct SFrameState;
  struct Ticket {
    std::array<std::uint8_t, 12> iv{};
    std::uint32_t number = 0;  // 0: free
    std::uint32_t generation = 0;
    std::uint8_t keyIndex = 0;
    Codec codec = Codec::kUnknown;
    std::size_t clear = 0;
  };
  struct Prepared {
    FrameResult frame;
    std::array<std::uint8_t, 12> iv;
    Slot* slot;
  };
  [[nodiscard]] Result<Prepared> prepare(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                         const FrameInfo& info);
  [[nodiscard]] Result<FrameResult> appendTrailer(FrameResult frame, Codec codec, std::span<const std::uint8_t, 12> iv,
                                                  std::span<std::uint8_t> buffer);

  SealerOptions options_;
  std::unique_ptr<std::unique_ptr<Slot>[]> ring_;
  int current_ = -1;
  std::uint64_t counter_ = 0;  // its low 32 bits go into the IV
  std::uint32_t serial_ = 0;
  std::array<Ticket, kMaxInFlight> tickets_{};
  std::uint32_t ticketNumber_ = 0;
  std::unique_ptr<SFrameState> sframe_;
};

}  // namespace siegel
