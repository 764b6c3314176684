// Opens the frames of one remote sender in any of the three formats.
//
// Guarantees
//   - Exactly one key is tried for a key index: the current one of that slot. When its tag does not verify, and only
//     then, later generations of the same key are tried on copies: the next one (kept ready), and up to `ratchetWindow`
//     ones under a budget of one derivation per 100 ms after a first burst of `ratchetWindow`. A ratchet is committed
//     only when a tag verified.
//   - A tag is verified before anything is decrypted. A frame that fails changes nothing but that budget.
//   - A frame opens once: replay windows per (key index, IV's SSRC), or per KID, move only after a tag verified. They
//     survive rotation to another index, ratchets, and setting the same key again.
// Ownership: keys live here and are wiped on drop. Not copyable. Threads: one at a time.
// Cost: open() reads each byte twice (tag, then decryption), no allocation. A forged frame: two tag checks at most,
// amortised. Memory: 5-10 kB per key, and 6 kB per (key, SSRC) up to 200 kB, taken in setKey, never on the frame path.
// Beyond that the SSRC that has been still for longest is closed at its latest timestamp; kTooManyStreams after 128 of
// those. Sources: docs/formats.md, docs/nonces-and-replay.md; requirements R1, R5-R8, R12, R13.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "siegel/frame.h"
#include "siegel/result.h"

namespace siegel {

struct OpenerOptions {
  Format format = Format::kJFrame;
  int ringSize = 16;      // 1..256: slots (JFrame, LiveKit); SFrame keeps at most 16 KIDs
  int ratchetWindow = 8;  // 0..16 generations ahead; 0 switches trial ratchets off
};

// What WebCrypto needs to open one frame; valid until the next call.
struct OpenPlan {
  FrameResult frame;  // offset of the clear bytes, clear, size of the plaintext frame
  std::span<const std::uint8_t> iv;
  std::span<const std::uint8_t> key;
  std::span<const std::uint8_t> text;  // ciphertext and tag
  std::uint32_t keySerial = 0;
  std::uint32_t ticket = 0;
};

// SFrame sender keys (RFC 9605 5.1): KID = generation << R + step. R is fixed here.
inline constexpr unsigned kSFrameRatchetBits = 8;

class FrameOpener {
 public:
  explicit FrameOpener(const OpenerOptions& options);
  ~FrameOpener();
  FrameOpener(const FrameOpener&) = delete;
  FrameOpener& operator=(const FrameOpener&) = delete;

  [[nodiscard]] Error setKey(int keyIndex, std::span<const std::uint8_t> material, Derivation derivation);
  [[nodiscard]] Error setSFrameKey(int suite, std::uint64_t kid, std::span<const std::uint8_t> baseKey);
  [[nodiscard]] Error setMetadata(std::span<const std::uint8_t> metadata);
  [[nodiscard]] Error dropKey(int keyIndex);
  // LiveKit: `trailer` (at most 64 bytes, empty = none) marks frames that the SFU made. They are refused
  // (kInjectedFrame) unless `accept`, and then only the five silent payloads that LiveKit's server is known to send,
  // each for its own codec; 50 a second are looked at.
  [[nodiscard]] Error setInjectedFrames(std::span<const std::uint8_t> trailer, bool accept);

  // `info` needs codec and type only. `nowMs` is any monotonic clock; it limits trial ratchets and injected frames.
  [[nodiscard]] Result<FrameResult> open(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                         const FrameInfo& info, double nowMs);

  // In two halves for WebCrypto (JFrame and LiveKit; SFrame: kUnsupportedSuite). `size` is that of the plaintext frame,
  // as planned. finish moves the replay window only with `verified`; it fails with kReplay when the same frame was
  // finished meanwhile, kMissingKey when the key is gone.
  static constexpr std::size_t kMaxInFlight = 64;
  [[nodiscard]] Result<OpenPlan> begin(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                       const FrameInfo& info);
  [[nodiscard]] Error finish(std::uint32_t ticket, std::size_t size, bool verified);

 private:
  struct Slot;
  struct SFrameKeys;
  struct Window;
  struct Parsed;
  struct Ticket {
    std::uint32_t number = 0;  // 0: free
    std::uint32_t epoch = 0;
    std::uint32_t ssrc = 0;
    std::uint32_t timestamp = 0;
    std::uint32_t word = 0;
    std::size_t size = 0;
    std::uint8_t keyIndex = 0;
  };
  [[nodiscard]] Error parse(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                            const FrameInfo& info, Parsed& out);
  [[nodiscard]] bool openAhead(Slot& slot, const Parsed& parsed, std::span<std::uint8_t> text, double nowMs);
  [[nodiscard]] Error record(Slot& slot, std::uint32_t ssrc, std::uint32_t timestamp, std::uint32_t word);
  [[nodiscard]] bool isInjected(std::span<const std::uint8_t> frame) const;
  [[nodiscard]] Result<FrameResult> openInjected(std::span<const std::uint8_t> frame, std::size_t offset, Codec codec,
                                                 double nowMs);
  [[nodiscard]] bool spend(double nowMs);
  void releaseWindows(Slot& slot);
  void reserveWindows();
  void giveBack(Window* window);
  [[nodiscard]] Window* takeWindow(Slot& slot);

  OpenerOptions options_;
  std::unique_ptr<std::unique_ptr<Slot>[]> ring_;
  std::unique_ptr<SFrameKeys> sframe_;
  std::unique_ptr<Window> windows_;  // owns every window, as a list
  Window* freeWindows_ = nullptr;
  std::size_t freeCount_ = 0;
  std::size_t windowCount_ = 0;
  std::uint64_t windowClock_ = 0;
  std::uint32_t serial_ = 0;
  std::array<Ticket, kMaxInFlight> tickets_{};
  std::uint32_t ticketNumber_ = 0;
  std::array<std::uint8_t, 12> iv_{};
  double tokens_ = 0;
  double tokensAt_ = 0;
  bool tokensStarted_ = false;
  std::array<std::uint8_t, 64> injectedTrailer_{};
  std::size_t injectedTrailerSize_ = 0;
  bool injectedAccepted_ = false;
  double injectedTokens_ = 0;
  double injectedAt_ = 0;
  bool injectedStarted_ = false;
};

}  // namespace siegel
