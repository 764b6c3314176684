#include "siegel/frame_opener.h"

#include <sodium.h>

#include <algorithm>

#include "siegel/frame_sealer.h"
#include "siegel/key_state.h"
#include "siegel/layout.h"
#include "siegel/replay.h"
#include "siegel/sframe.h"
#include "trailer.h"

namespace siegel {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr double kTokenMs = 100;  // one look ahead beyond the next generation per 100 ms
constexpr std::size_t kWindowsPerKey = 16;
constexpr std::size_t kSpareWindows = 8;
constexpr std::size_t kMaxWindows = 32;   // of all keys together: 200 kB
constexpr std::size_t kMaxRetired = 128;  // closed SSRCs for each key
constexpr std::size_t kSFrameKids = 16;

// A member may send four tracks at a time: two of sound with 50 frames a second each, two of pictures.
constexpr double kInjectedPerSecond = 250;
constexpr std::size_t kMaxInjected = 2048;  // the known payloads are far smaller; longer ones are not hashed
// SHA-256 of what LiveKit's server sends while a track is muted: a black VP8 picture, H.264 SPS, PPS and IDR, Opus
// silence (client-sdk-js src/e2ee/worker/sifPayload.ts).
struct InjectedPayload {
  Codec codec;
  std::array<std::uint8_t, 32> hash;
};
constexpr std::array<InjectedPayload, 5> kInjectedPayloads = {{
    {Codec::kVp8, {0xEF, 0x01, 0x61, 0x65, 0x3D, 0x8B, 0x2B, 0x23, 0xAA, 0xD4, 0x66, 0x24, 0xB4, 0x20, 0xAF, 0x1D,
                   0x03, 0xCE, 0x48, 0x95, 0x0E, 0x9F, 0xC8, 0x57, 0x18, 0x02, 0x8F, 0x91, 0xB5, 0x0F, 0x92, 0x19}},
    {Codec::kH264, {0xF0, 0xA0, 0xE0, 0x96, 0x47, 0xD8, 0x91, 0xD6, 0xD5, 0x0A, 0xA8, 0x98, 0xBC, 0xE7, 0x10, 0x80,
                    0x90, 0x37, 0x5D, 0x0D, 0x55, 0xE5, 0x0A, 0x2B, 0xB2, 0x11, 0x47, 0xAF, 0xEE, 0x55, 0x8E, 0x44}},
    {Codec::kH264, {0x61, 0xD9, 0x66, 0x5E, 0xED, 0x71, 0xB6, 0xD4, 0x24, 0xAE, 0x95, 0x39, 0x33, 0x0A, 0x3B, 0xDD,
                    0x5C, 0xB3, 0x86, 0xD4, 0xD7, 0x81, 0xC8, 0x08, 0x21, 0x9A, 0x6E, 0x36, 0x75, 0x04, 0x93, 0xA7}},
    {Codec::kH264, {0xFA, 0xFF, 0xC2, 0x6B, 0x68, 0xA2, 0xFC, 0x09, 0x09, 0x6F, 0xA2, 0x0F, 0x33, 0x51, 0xE7, 0x06,
                    0x39, 0x8B, 0x6F, 0x83, 0x8A, 0x75, 0x00, 0xC8, 0x06, 0x34, 0x72, 0xC2, 0xE4, 0x76, 0xE9, 0x0D}},
    {Codec::kOpus, {0xAA, 0xD8, 0xD3, 0x1F, 0xC5, 0x6B, 0x28, 0x02, 0xCA, 0x50, 0x0E, 0x58, 0xC2, 0xFB, 0x9D, 0x0B,
                    0x29, 0xAD, 0x71, 0xBB, 0x7C, 0xB5, 0x2C, 0xD6, 0x53, 0x02, 0x51, 0xEA, 0xDE, 0x18, 0x89, 0x88}},
}};

}  // namespace

struct FrameOpener::Window {
  IvWindow seen;
  std::uint32_t ssrc = 0;
  std::uint64_t used = 0;  // when it last moved
  Window* nextFree = nullptr;
  std::unique_ptr<Window> nextOwned;

  // The list can be long; destroying it node by node keeps the stack flat.
  ~Window() {
    for (std::unique_ptr<Window> rest = std::move(nextOwned); rest != nullptr;) rest = std::move(rest->nextOwned);
  }
};

struct FrameOpener::Slot {
  DerivedKey derived;
  Fingerprint origin{};  // of generation 0
  // Two ciphers: the current generation, and the next one once it was needed. `active` says which is which.
  std::array<AesGcm, 2> aead;
  std::size_t active = 0;
  bool aheadReady = false;
  DerivedKey ahead;  // generation + 1
  DerivedKey probe;  // generation + probeSteps, the last one that was tried
  int probeSteps = 1;
  std::uint32_t generation = 0;
  std::uint32_t serial = 0;  // of this generation's key
  std::uint32_t epoch = 0;   // serial when the key was set: a ratchet does not change it
  std::array<Window*, kWindowsPerKey> windows{};
  std::size_t windowCount = 0;
  // A SSRC whose window was needed elsewhere: nothing up to its latest timestamp opens any more.
  struct Retired {
    std::uint32_t ssrc;
    std::uint32_t latest;
  };
  std::array<Retired, kMaxRetired> retired;
  std::size_t retiredCount = 0;

  Window* find(std::uint32_t ssrc) {
    const auto end = windows.begin() + static_cast<std::ptrdiff_t>(windowCount);
    auto* const found = std::find_if(windows.begin(), end, [ssrc](const Window* w) { return w->ssrc == ssrc; });
    return found == end ? nullptr : *found;
  }
  Retired* findRetired(std::uint32_t ssrc) {
    const auto end = retired.begin() + static_cast<std::ptrdiff_t>(retiredCount);
    auto* const found = std::find_if(retired.begin(), end, [ssrc](const Retired& r) { return r.ssrc == ssrc; });
    return found == end ? nullptr : &*found;
  }
  [[nodiscard]] bool fresh(std::uint32_t ssrc, std::uint32_t timestamp, std::uint32_t word) {
    if (const Window* window = find(ssrc)) return window->seen.check(timestamp, word);
    const Retired* closed = findRetired(ssrc);
    return closed == nullptr || laterThan(timestamp, closed->latest);
  }
  // REQUIRES: retiredCount < kMaxRetired.
  Window* retire(std::size_t index) {
    Window* window = windows[index];
    retired[retiredCount++] = {window->ssrc, window->seen.latest()};
    windows[index] = windows[--windowCount];
    return window;
  }

  AesGcm& current() { return aead[active]; }
  AesGcm& next() { return aead[1 - active]; }
};

struct FrameOpener::Parsed {
  Slot* slot = nullptr;
  FrameResult frame;
  std::size_t textSize = 0;  // without tag
  std::uint32_t timestamp = 0;
  std::uint32_t word = 0;
  std::array<std::uint8_t, 12> iv{};
  std::array<std::uint8_t, kGcmTagSize> tag{};
};

struct FrameOpener::SFrameKeys {
  struct Entry {
    SFrameKey key;
    SecretBytes<kMaxBaseKey> baseKey;
    std::size_t baseKeySize = 0;
    int suite = 0;
    std::uint64_t kid = 0;
    std::uint32_t generation = 0;
    CtrWindow seen;
    std::uint64_t order = 0;  // when it was installed

    [[nodiscard]] Error install(int newSuite, std::uint64_t newKid, Bytes newBaseKey) {
      SecretBytes<kMaxBaseKey> copy;
      if (newBaseKey.size() > kMaxBaseKey) return Error::kInvalidKey;
      std::copy(newBaseKey.begin(), newBaseKey.end(), copy.span().begin());
      const Error error = key.set(newSuite, newKid, newBaseKey);
      if (error != Error::kNone) return error;
      baseKeySize = newBaseKey.size();
      baseKey = std::move(copy);
      suite = newSuite;
      kid = newKid;
      generation = 0;
      seen.reset();
      return Error::kNone;
    }
    [[nodiscard]] Bytes base() const { return baseKey.span().first(baseKeySize); }
  };
  std::array<Entry, kSFrameKids> entries;
  Entry trial;  // a ratchet step is derived here and moves into `entries` only after its tag verified
  std::uint64_t trialFrom = 0;
  std::uint64_t clock = 0;
  std::array<std::uint8_t, kMaxMetadata> metadata{};
  std::size_t metadataSize = 0;

  Entry* find(std::uint64_t kid) {
    for (Entry& entry : entries) {
      if (entry.key.isSet() && entry.kid == kid) return &entry;
    }
    return nullptr;
  }
  // A free entry, or the one that was installed first. In this order a later step of a ratchet never goes before an
  // earlier one, so what was dropped can not be derived again (with an empty replay window).
  Entry& room() {
    Entry& place = *std::min_element(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return (a.key.isSet() ? a.order : 0) < (b.key.isSet() ? b.order : 0);
    });
    place.order = ++clock;
    return place;
  }
};

FrameOpener::FrameOpener(const OpenerOptions& options)
    : options_(options), ring_(std::make_unique<std::unique_ptr<Slot>[]>(256)) {
  options_.ringSize = std::clamp(options.ringSize, 1, 256);
  options_.ratchetWindow = std::clamp(options.ratchetWindow, 0, 16);
  if (options_.format == Format::kSFrame) sframe_ = std::make_unique<SFrameKeys>();
}

FrameOpener::~FrameOpener() = default;

Error FrameOpener::setKey(int keyIndex, Bytes material, Derivation derivation) {
  if (sframe_ != nullptr || keyIndex < 0) return Error::kInvalidArgument;
  DerivedKey derived;
  const Error error = deriveKey(options_.format, derivation, material, derived);
  if (error != Error::kNone) return error;
  const Fingerprint fingerprint = fingerprintOf(derived);
  std::unique_ptr<Slot>& slot = ring_[static_cast<std::size_t>(keyIndex % options_.ringSize)];
  if (slot == nullptr) {
    slot = std::make_unique<Slot>();
  } else if (slot->derived.keySize == derived.keySize &&
             (equal(slot->origin, fingerprint) || equal(slot->derived.key.span(), derived.key.span()))) {
    return Error::kNone;  // posted again: ratchet and replay windows stay
  }
  releaseWindows(*slot);
  const Error keyError = slot->current().setKey(derived.key.span().first(derived.keySize));
  if (keyError != Error::kNone) return keyError;
  slot->next().clear();
  slot->derived.assign(derived);
  slot->origin = fingerprint;
  slot->ahead.wipe();
  slot->aheadReady = false;
  slot->probe.wipe();
  slot->probeSteps = 1;
  slot->generation = 0;
  slot->serial = ++serial_;
  slot->epoch = slot->serial;
  reserveWindows();
  return Error::kNone;
}

Error FrameOpener::setSFrameKey(int suite, std::uint64_t kid, Bytes baseKey) {
  if (sframe_ == nullptr) return Error::kInvalidArgument;
  SFrameKeys::Entry* entry = sframe_->find(kid);
  if (entry != nullptr && entry->suite == suite && entry->baseKeySize == baseKey.size() &&
      equal(entry->base(), baseKey)) {
    return Error::kNone;
  }
  if (findSFrameSuite(suite) == nullptr) return Error::kUnsupportedSuite;
  if (baseKey.empty() || baseKey.size() > kMaxBaseKey) return Error::kInvalidKey;
  if (entry == nullptr) entry = &sframe_->room();
  sframe_->trial.key.clear();  // it may have been derived from what is replaced
  return entry->install(suite, kid, baseKey);
}

Error FrameOpener::setMetadata(Bytes metadata) {
  if (sframe_ == nullptr || metadata.size() > kMaxMetadata) return Error::kInvalidArgument;
  std::copy(metadata.begin(), metadata.end(), sframe_->metadata.begin());
  sframe_->metadataSize = metadata.size();
  return Error::kNone;
}

Error FrameOpener::dropKey(int keyIndex) {
  if (keyIndex < 0) return Error::kInvalidArgument;
  if (sframe_ != nullptr) {
    sframe_->trial.key.clear();
    sframe_->trial.baseKey.wipe();
    for (SFrameKeys::Entry& entry : sframe_->entries) {
      if (!entry.key.isSet() || (entry.kid & 0x7FFFFFFF) != static_cast<std::uint64_t>(keyIndex)) continue;
      // And the earlier steps of the same ratchet: what is dropped could be derived from them again.
      for (SFrameKeys::Entry& earlier : sframe_->entries) {
        const bool sameRatchet = earlier.kid >> kSFrameRatchetBits == entry.kid >> kSFrameRatchetBits;
        if (!earlier.key.isSet() || !sameRatchet || earlier.order >= entry.order) continue;
        earlier.key.clear();
        earlier.baseKey.wipe();
      }
      entry.key.clear();
      entry.baseKey.wipe();
    }
    return Error::kNone;
  }
  std::unique_ptr<Slot>& slot = ring_[static_cast<std::size_t>(keyIndex % options_.ringSize)];
  if (slot != nullptr) {
    releaseWindows(*slot);
    slot.reset();
  }
  return Error::kNone;
}

Error FrameOpener::setInjectedFrames(Bytes trailer, bool accept) {
  if (trailer.size() > injectedTrailer_.size()) return Error::kInvalidArgument;
  std::copy(trailer.begin(), trailer.end(), injectedTrailer_.begin());
  injectedTrailerSize_ = trailer.size();
  injectedAccepted_ = accept;
  return Error::kNone;
}

void FrameOpener::releaseWindows(Slot& slot) {
  for (std::size_t i = 0; i < slot.windowCount; ++i) giveBack(slot.windows[i]);
  slot.windowCount = 0;
  slot.retiredCount = 0;
}

void FrameOpener::giveBack(Window* window) {
  window->nextFree = freeWindows_;
  freeWindows_ = window;
  ++freeCount_;
}

// Called where keys are set, so that the frame path only takes from the list.
void FrameOpener::reserveWindows() {
  while (freeCount_ < kSpareWindows && windowCount_ < kMaxWindows) {
    auto window = std::make_unique<Window>();
    giveBack(window.get());
    ++windowCount_;
    window->nextOwned = std::move(windows_);
    windows_ = std::move(window);
  }
}

// A window for one more SSRC of `slot`: a free one, or the one that has been still for longest, whatever key it serves.
// nullptr: too many SSRCs.
FrameOpener::Window* FrameOpener::takeWindow(Slot& slot) {
  if (slot.windowCount < kWindowsPerKey && freeWindows_ != nullptr) {
    Window* window = freeWindows_;
    freeWindows_ = window->nextFree;
    --freeCount_;
    return window;
  }
  Slot* owner = nullptr;
  std::size_t index = 0;
  const auto consider = [&](Slot& candidate) {
    if (candidate.retiredCount == kMaxRetired) return;
    for (std::size_t i = 0; i < candidate.windowCount; ++i) {
      if (owner != nullptr && candidate.windows[i]->used >= owner->windows[index]->used) continue;
      owner = &candidate;
      index = i;
    }
  };
  if (slot.windowCount == kWindowsPerKey) {
    consider(slot);
  } else {
    for (int i = 0; i < options_.ringSize; ++i) {
      if (ring_[static_cast<std::size_t>(i)] != nullptr) consider(*ring_[static_cast<std::size_t>(i)]);
    }
  }
  return owner == nullptr ? nullptr : owner->retire(index);
}

Error FrameOpener::record(Slot& slot, std::uint32_t ssrc, std::uint32_t timestamp, std::uint32_t word) {
  if (!slot.fresh(ssrc, timestamp, word)) return Error::kReplay;
  Window* window = slot.find(ssrc);
  if (window == nullptr) {
    window = takeWindow(slot);
    if (window == nullptr) return Error::kTooManyStreams;
    window->ssrc = ssrc;
    window->seen.reset();
    if (Slot::Retired* closed = slot.findRetired(ssrc)) {
      window->seen.resetAbove(closed->latest);
      *closed = slot.retired[--slot.retiredCount];
    }
    slot.windows[slot.windowCount++] = window;
  }
  window->used = ++windowClock_;
  window->seen.record(timestamp, word);
  return Error::kNone;
}

// One token is one derivation ahead of the next generation. A burst of ratchetWindow, then one for each kTokenMs.
bool FrameOpener::spend(double nowMs) {
  const auto most = static_cast<double>(options_.ratchetWindow);
  if (!tokensStarted_) {
    tokens_ = most;
    tokensAt_ = nowMs;
    tokensStarted_ = true;
  }
  if (nowMs > tokensAt_) {
    tokens_ = std::min(most, tokens_ + (nowMs - tokensAt_) / kTokenMs);
    tokensAt_ = nowMs;
  }
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Error FrameOpener::parse(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length, const FrameInfo& info,
                         Parsed& out) {
  if (offset > buffer.size() || length > buffer.size() - offset) return Error::kInvalidArgument;
  std::span<std::uint8_t> frame = buffer.subspan(offset, length);
  const Result<std::size_t> clear = clearBytes(options_.format, info.codec, info.type, frame);
  if (!clear.ok()) return clear.error();
  // The key index is never escaped: the byte before it is 0x0C.
  const std::uint8_t keyIndex = frame.back();
  std::size_t body = frame.size() - clear.value();
  if (needsEscaping(options_.format, info.codec)) body = unescapeInPlace(frame.subspan(clear.value()));
  if (body < trailer::kOverhead) return Error::kFrameTooShort;
  const std::uint8_t* end = frame.data() + clear.value() + body;
  if (end[-2] != trailer::kIvLength || end[-1] != keyIndex) return Error::kMalformed;
  if (keyIndex >= options_.ringSize) return Error::kMissingKey;
  out.slot = ring_[keyIndex].get();
  if (out.slot == nullptr) return Error::kMissingKey;
  const std::uint8_t* iv = end - trailer::kSize;
  std::copy_n(iv, trailer::kIvSize, out.iv.begin());
  std::copy_n(iv - kGcmTagSize, kGcmTagSize, out.tag.begin());
  out.textSize = body - trailer::kOverhead;
  out.timestamp = trailer::getBig32(iv + 4);
  out.word = trailer::getBig32(iv + 8);
  out.frame = {offset,   clear.value() + out.textSize, clear.value(),
               keyIndex, trailer::getBig32(iv),        out.slot->generation,
               false};
  // A frame that was opened before needs no cryptography to be refused.
  if (!out.slot->fresh(out.frame.ivSsrc, out.timestamp, out.word)) return Error::kReplay;
  return Error::kNone;
}

// The current generation failed. Tries later ones on copies; commits the one whose tag verifies.
bool FrameOpener::openAhead(Slot& slot, const Parsed& parsed, std::span<std::uint8_t> frame, double nowMs) {
  if (options_.ratchetWindow == 0 || !slot.derived.canRatchet) return false;
  const Bytes aad = frame.first(parsed.frame.clear);
  const std::span<std::uint8_t> text = frame.subspan(parsed.frame.clear, parsed.textSize);
  if (!slot.aheadReady) {
    deriveNext(options_.format, slot.derived, slot.ahead);
    if (slot.next().setKey(slot.ahead.key.span().first(slot.ahead.keySize)) != Error::kNone) return false;
    slot.aheadReady = true;
  }
  if (slot.next().open(parsed.iv, aad, text, parsed.tag) == Error::kNone) {
    slot.current().clear();
    slot.active = 1 - slot.active;
    slot.derived.assign(slot.ahead);
    slot.generation += 1;
  } else {
    // Further ahead only within the budget; where the search stands is kept, so that a flood cannot hold it at one
    // step.
    bool found = false;
    AesGcm cipher;
    for (int tries = 1; tries < options_.ratchetWindow && !found; ++tries) {
      if (!spend(nowMs)) break;
      if (slot.probeSteps <= 1 || slot.probeSteps >= options_.ratchetWindow) {
        slot.probe.assign(slot.ahead);
        slot.probeSteps = 1;
      }
      DerivedKey further;
      deriveNext(options_.format, slot.probe, further);
      slot.probe.assign(further);
      ++slot.probeSteps;
      found = cipher.setKey(further.key.span().first(further.keySize)) == Error::kNone &&
              cipher.open(parsed.iv, aad, text, parsed.tag) == Error::kNone;
    }
    if (!found) return false;
    if (slot.current().setKey(slot.probe.key.span().first(slot.probe.keySize)) != Error::kNone) return false;
    slot.next().clear();
    slot.derived.assign(slot.probe);
    slot.generation += static_cast<std::uint32_t>(slot.probeSteps);
  }
  slot.ahead.wipe();
  slot.aheadReady = false;
  slot.probe.wipe();
  slot.probeSteps = 1;
  slot.serial = ++serial_;
  return true;
}

bool FrameOpener::isInjected(Bytes frame) const {
  if (injectedTrailerSize_ == 0 || frame.size() <= injectedTrailerSize_) return false;
  return std::equal(frame.end() - static_cast<std::ptrdiff_t>(injectedTrailerSize_), frame.end(),
                    injectedTrailer_.begin());
}

Result<FrameResult> FrameOpener::openInjected(Bytes frame, std::size_t offset, Codec codec, double nowMs) {
  const std::size_t size = frame.size() - injectedTrailerSize_;
  if (!injectedAccepted_ || size > kMaxInjected) return Error::kInjectedFrame;
  if (!injectedStarted_ || nowMs - injectedAt_ >= 1000 || nowMs < injectedAt_) {
    injectedStarted_ = true;
    injectedAt_ = nowMs;
    injectedTokens_ = kInjectedPerSecond;
  }
  // Whatever ends in the trailer counts, so that hashing is limited too.
  if (injectedTokens_ < 1) return Error::kInjectedFrame;
  injectedTokens_ -= 1;
  std::array<std::uint8_t, 32> hash{};
  crypto_hash_sha256(hash.data(), frame.data(), size);
  const bool known = std::any_of(kInjectedPayloads.begin(), kInjectedPayloads.end(),
                                 [&](const InjectedPayload& p) { return p.codec == codec && p.hash == hash; });
  if (!known) return Error::kInjectedFrame;
  FrameResult result{offset, size, size, 0, 0, 0, true};
  return result;
}

Result<FrameResult> FrameOpener::open(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                      const FrameInfo& info, double nowMs) {
  if (offset > buffer.size() || length > buffer.size() - offset) return Error::kInvalidArgument;
  if (length == 0) return Error::kEmptyFrame;
  if (const Bytes frame = buffer.subspan(offset, length); isInjected(frame)) {
    return openInjected(frame, offset, info.codec, nowMs);
  }

  if (sframe_ != nullptr) {
    SFrameKeys& keys = *sframe_;
    // The layout of the plaintext is none of ours to read: everything is ciphertext. Codec and type still have to be
    // known ones.
    const Result<std::size_t> allowed =
        clearBytes(options_.format, info.codec, info.type, buffer.subspan(offset, length));
    if (!allowed.ok()) return allowed.error();
    const Result<SFrameHeader> parsed = decodeSFrameHeader(buffer.subspan(offset, length));
    if (!parsed.ok()) return parsed.error();
    const SFrameHeader header = parsed.value();
    SFrameKeys::Entry* entry = keys.find(header.kid);
    const bool known = entry != nullptr;
    if (!known) {
      // A later step of a key we hold (RFC 9605 5.1)? One candidate, kept while the same KID is asked for.
      const std::uint64_t mask = (std::uint64_t{1} << kSFrameRatchetBits) - 1;
      // Only from the newest key of this generation: what lies behind it was replaced for good.
      SFrameKeys::Entry* from = nullptr;
      for (SFrameKeys::Entry& each : keys.entries) {
        if (!each.key.isSet() || (each.kid & ~mask) != (header.kid & ~mask)) continue;
        if (from == nullptr || each.order > from->order) from = &each;
      }
      if (from == nullptr) return Error::kMissingKey;
      const std::uint64_t steps = (header.kid - from->kid) & mask;
      if (steps == 0 || steps > static_cast<std::uint64_t>(options_.ratchetWindow)) return Error::kMissingKey;
      SFrameKeys::Entry& trial = keys.trial;
      if (!trial.key.isSet() || trial.kid != header.kid || keys.trialFrom != from->kid) {
        if (!spend(nowMs)) return Error::kMissingKey;
        const SFrameSuite& suite = from->key.suite();
        SecretBytes<kMaxBaseKey> base;
        std::copy_n(from->baseKey.span().begin(), from->baseKeySize, base.span().begin());
        std::size_t size = from->baseKeySize;
        for (std::uint64_t i = 0; i < steps; ++i) {
          SecretBytes<kMaxBaseKey> next;
          if (ratchetBaseKey(suite, base.span().first(size), next.span()) != Error::kNone) return Error::kMissingKey;
          base = std::move(next);
          size = suite.hash;
        }
        if (trial.install(from->suite, header.kid, base.span().first(size)) != Error::kNone) return Error::kMissingKey;
        trial.generation = from->generation + static_cast<std::uint32_t>(steps);
        keys.trialFrom = from->kid;
      }
      entry = &trial;
    } else if (!entry->seen.check(header.ctr)) {
      return Error::kReplay;
    }
    const std::size_t tag = entry->key.suite().tag;
    if (length < header.size + tag) return Error::kFrameTooShort;
    std::array<std::uint8_t, kMaxSFrameHeader + kMaxMetadata> aad;
    std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(offset), header.size, aad.begin());
    std::copy_n(keys.metadata.begin(), keys.metadataSize, aad.begin() + static_cast<std::ptrdiff_t>(header.size));
    const std::size_t text = length - header.size - tag;
    const Error error =
        entry->key.open(header.ctr, std::span(aad).first(header.size + keys.metadataSize),
                        buffer.subspan(offset + header.size, text), buffer.subspan(offset + header.size + text, tag));
    if (error != Error::kNone) return known ? error : Error::kMissingKey;
    if (!known) {
      SFrameKeys::Entry& place = keys.room();
      const std::uint32_t generation = entry->generation;
      const Error installed = place.install(entry->suite, entry->kid, entry->base());
      if (installed != Error::kNone) return installed;
      place.generation = generation;
      keys.trial.key.clear();
      keys.trial.baseKey.wipe();
      entry = &place;
    }
    entry->seen.record(header.ctr);
    return FrameResult{offset + header.size, text, 0, static_cast<std::uint32_t>(header.kid), 0,
                       entry->generation,    false};
  }

  Parsed parsed;
  const Error error = parse(buffer, offset, length, info, parsed);
  if (error != Error::kNone) return error;
  Slot& slot = *parsed.slot;
  const std::span<std::uint8_t> frame = buffer.subspan(offset, parsed.frame.size);
  const Error opened = slot.current().open(parsed.iv, frame.first(parsed.frame.clear),
                                           frame.subspan(parsed.frame.clear, parsed.textSize), parsed.tag);
  if (opened != Error::kNone && !openAhead(slot, parsed, frame, nowMs)) return opened;
  const Error recorded = record(slot, parsed.frame.ivSsrc, parsed.timestamp, parsed.word);
  if (recorded != Error::kNone) {
    memzero(frame);  // decrypted, but not to be played
    return recorded;
  }
  parsed.frame.generation = slot.generation;
  return parsed.frame;
}

Result<OpenPlan> FrameOpener::begin(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                    const FrameInfo& info) {
  if (sframe_ != nullptr) return Error::kUnsupportedSuite;
  auto* ticket = std::find_if(tickets_.begin(), tickets_.end(), [](const Ticket& t) { return t.number == 0; });
  if (ticket == tickets_.end()) return Error::kInvalidArgument;
  if (offset <= buffer.size() && length <= buffer.size() - offset && isInjected(buffer.subspan(offset, length))) {
    return Error::kInjectedFrame;  // such a frame is small: it belongs into open()
  }
  Parsed parsed;
  const Error error = parse(buffer, offset, length, info, parsed);
  if (error != Error::kNone) return error;
  iv_ = parsed.iv;
  Slot& slot = *parsed.slot;
  ticket->number = ++ticketNumber_ == 0 ? ++ticketNumber_ : ticketNumber_;
  ticket->epoch = slot.epoch;
  ticket->ssrc = parsed.frame.ivSsrc;
  ticket->timestamp = parsed.timestamp;
  ticket->word = parsed.word;
  ticket->keyIndex = static_cast<std::uint8_t>(parsed.frame.keyIndex);
  ticket->size = parsed.frame.size;
  return OpenPlan{parsed.frame,
                  iv_,
                  slot.derived.key.span().first(slot.derived.keySize),
                  buffer.subspan(offset + parsed.frame.clear, parsed.textSize + kGcmTagSize),
                  slot.serial,
                  ticket->number};
}

Error FrameOpener::finish(std::uint32_t number, std::size_t size, bool verified) {
  auto* ticket = std::find_if(tickets_.begin(), tickets_.end(),
                              [number](const Ticket& t) { return number != 0 && t.number == number; });
  if (ticket == tickets_.end()) return Error::kInvalidArgument;
  const Ticket done = *ticket;
  *ticket = Ticket{};
  if (!verified) return Error::kAuthentication;
  if (size != done.size) return Error::kInvalidArgument;
  Slot* slot = ring_[done.keyIndex].get();
  // The key may have been replaced meanwhile; its windows went with it.
  if (slot == nullptr || slot->epoch != done.epoch) return Error::kMissingKey;
  return record(*slot, done.ssrc, done.timestamp, done.word);
}

}  // namespace siegel
