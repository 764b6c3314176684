#include "siegel/frame_sealer.h"

#include <algorithm>
#include <new>

#include "siegel/frame_opener.h"
#include "siegel/key_state.h"
#include "siegel/layout.h"
#include "siegel/sframe.h"
#include "trailer.h"

namespace siegel {

struct FrameSealer::Slot {
  DerivedKey derived;
  Fingerprint origin{};  // of generation 0: tells a key that is merely posted again
  AesGcm aead;
  std::uint32_t generation = 0;
  std::uint32_t serial = 0;
  // The counter when this key came in. All counters used under it lie in [first, first + 2^32): their low 32 bits
  // differ.
  std::uint64_t first = 0;
};

struct FrameSealer::SFrameState {
  SFrameKey key;
  int suite = 0;
  std::uint64_t kid = 0;
  std::uint32_t generation = 0;
  SecretBytes<kMaxBaseKey> baseKey;
  std::size_t baseKeySize = 0;
  std::uint64_t ctr = 0;
  std::uint64_t sealed = 0;
  bool started = false;
  std::array<std::uint8_t, kMaxMetadata> metadata{};
  std::size_t metadataSize = 0;

  [[nodiscard]] Error install(int newSuite, std::uint64_t newKid, std::span<const std::uint8_t> newBaseKey) {
    // The same key again must not start its counter anew.
    if (key.isSet() && suite == newSuite && kid == newKid && newBaseKey.size() == baseKeySize &&
        equal(baseKey.span().first(baseKeySize), newBaseKey)) {
      return Error::kNone;
    }
    if (findSFrameSuite(newSuite) == nullptr) return Error::kUnsupportedSuite;
    if (newBaseKey.size() > kMaxBaseKey) return Error::kInvalidKey;
    SecretBytes<kMaxBaseKey> copy;  // newBaseKey may lie in a buffer that is overwritten below
    std::copy(newBaseKey.begin(), newBaseKey.end(), copy.span().begin());
    const Error error = key.set(newSuite, newKid, newBaseKey);
    if (error != Error::kNone) return error;
    suite = newSuite;
    kid = newKid;
    baseKeySize = newBaseKey.size();
    baseKey = std::move(copy);
    sealed = 0;
    return Error::kNone;
  }
};

FrameSealer::FrameSealer(const SealerOptions& options)
    : options_(options), ring_(std::make_unique<std::unique_ptr<Slot>[]>(256)) {
  options_.ringSize = std::clamp(options.ringSize, 1, 256);
  options_.maxFramesPerKey = std::min(options.maxFramesPerKey, kMaxFramesPerKey);
  std::array<std::uint8_t, 8> start{};
  options_.random.fill(options_.random.context, start);
  counter_ = trailer::getBig32(start.data());
  if (options_.format == Format::kSFrame) {
    sframe_ = std::make_unique<SFrameState>();
    // Below 2^48, so that 2^64 is never reached and the header stays short.
    sframe_->ctr = (std::uint64_t{trailer::getBig32(start.data())} << 16) | (std::uint64_t{start[4]} << 8) | start[5];
  }
}

FrameSealer::~FrameSealer() = default;

Error FrameSealer::setKey(int keyIndex, std::span<const std::uint8_t> material, Derivation derivation, bool current) {
  if (sframe_ != nullptr || keyIndex < 0) return Error::kInvalidArgument;
  DerivedKey derived;
  const Error error = deriveKey(options_.format, derivation, material, derived);
  if (error != Error::kNone) return error;
  const int index = keyIndex % options_.ringSize;
  std::unique_ptr<Slot>& slot = ring_[static_cast<std::size_t>(index)];
  const Fingerprint fingerprint = fingerprintOf(derived);
  const bool same = slot != nullptr && slot->derived.keySize == derived.keySize &&
                    (equal(slot->origin, fingerprint) || equal(slot->derived.key.span(), derived.key.span()));
  if (!same) {
    if (slot == nullptr) slot = std::make_unique<Slot>();
    const Error keyError = slot->aead.setKey(derived.key.span().first(derived.keySize));
    if (keyError != Error::kNone) return keyError;
    slot->derived.assign(derived);
    slot->origin = fingerprint;
    slot->generation = 0;
    slot->first = counter_;
    slot->serial = ++serial_;
  }
  if (current) current_ = index;
  return Error::kNone;
}

Error FrameSealer::setSFrameKey(int suite, std::uint64_t kid, std::span<const std::uint8_t> baseKey) {
  if (sframe_ == nullptr) return Error::kInvalidArgument;
  const bool same = sframe_->key.isSet() && sframe_->kid == kid;
  const Error error = sframe_->install(suite, kid, baseKey);
  if (error == Error::kNone && !same) sframe_->generation = 0;
  return error;
}

Error FrameSealer::setMetadata(std::span<const std::uint8_t> metadata) {
  if (sframe_ == nullptr || metadata.size() > kMaxMetadata) return Error::kInvalidArgument;
  std::copy(metadata.begin(), metadata.end(), sframe_->metadata.begin());
  sframe_->metadataSize = metadata.size();
  return Error::kNone;
}

Result<std::uint32_t> FrameSealer::ratchet() {
  if (sframe_ != nullptr) {
    SFrameState& s = *sframe_;
    if (!s.key.isSet()) return Error::kMissingKey;
    SecretBytes<kMaxBaseKey> next;
    const SFrameSuite& suite = s.key.suite();
    const Error error = ratchetBaseKey(suite, s.baseKey.span().first(s.baseKeySize), next.span());
    if (error != Error::kNone) return error;
    // RFC 9605 5.1: the step is the low part of the KID and wraps inside it.
    const std::uint64_t mask = (std::uint64_t{1} << kSFrameRatchetBits) - 1;
    const std::uint64_t kid = (s.kid & ~mask) | ((s.kid + 1) & mask);
    const Error installed = s.install(s.suite, kid, next.span().first(suite.hash));
    if (installed != Error::kNone) return installed;
    return ++s.generation;
  }
  if (current_ < 0) return Error::kMissingKey;
  Slot& slot = *ring_[static_cast<std::size_t>(current_)];
  if (!slot.derived.canRatchet) return Error::kInvalidArgument;
  DerivedKey next;
  deriveNext(options_.format, slot.derived, next);
  const Error error = slot.aead.setKey(next.key.span().first(next.keySize));
  if (error != Error::kNone) return error;
  slot.derived.assign(next);
  slot.first = counter_;
  slot.serial = ++serial_;
  return ++slot.generation;
}

Error FrameSealer::dropKey(int keyIndex) {
  if (keyIndex < 0) return Error::kInvalidArgument;
  if (sframe_ != nullptr) {
    sframe_->key.clear();
    sframe_->baseKey.wipe();
    sframe_->baseKeySize = 0;
    return Error::kNone;
  }
  const int index = keyIndex % options_.ringSize;
  ring_[static_cast<std::size_t>(index)].reset();
  if (current_ == index) current_ = -1;
  return Error::kNone;
}

int FrameSealer::currentKeyIndex() const {
  if (sframe_ != nullptr) return sframe_->key.isSet() ? static_cast<int>(sframe_->kid & 0x7FFFFFFF) : -1;
  return current_;
}

Result<FrameSealer::Prepared> FrameSealer::prepare(std::span<std::uint8_t> buffer, std::size_t offset,
                                                   std::size_t length, const FrameInfo& info) {
  if (offset > buffer.size() || length > buffer.size() - offset) return Error::kInvalidArgument;
  const Result<std::size_t> clear = clearBytes(options_.format, info.codec, info.type, buffer.subspan(offset, length));
  if (!clear.ok()) return clear.error();
  if (current_ < 0) return Error::kMissingKey;
  Slot& slot = *ring_[static_cast<std::size_t>(current_)];
  if (counter_ - slot.first >= options_.maxFramesPerKey) return Error::kCounterExhausted;
  if (buffer.size() - offset - length < trailer::kOverhead) return Error::kBufferTooSmall;

  FrameResult frame{offset,    length,          clear.value(), static_cast<std::uint32_t>(current_),
                    info.ssrc, slot.generation, false};
  if (needsEscaping(options_.format, info.codec)) {
    const std::size_t added = countShortStartCodes(buffer.subspan(offset, frame.clear));
    if (added > offset) return Error::kBufferTooSmall;
    frame.clear = normaliseStartCodes(buffer, offset, frame.clear);
    frame.offset -= added;
    frame.size += added;
  }
  Prepared prepared{frame, {}, &slot};
  trailer::putBig32(prepared.iv.data(), info.ssrc);
  trailer::putBig32(prepared.iv.data() + 4, info.timestamp);
  trailer::putBig32(prepared.iv.data() + 8, static_cast<std::uint32_t>(counter_++));
  return prepared;
}

Result<FrameResult> FrameSealer::appendTrailer(FrameResult frame, Codec codec, std::span<const std::uint8_t, 12> iv,
                                               std::span<std::uint8_t> buffer) {
  std::uint8_t* end = buffer.data() + frame.offset + frame.size;
  std::copy(iv.begin(), iv.end(), end);
  end[trailer::kIvSize] = trailer::kIvLength;
  end[trailer::kIvSize + 1] = static_cast<std::uint8_t>(frame.keyIndex);
  frame.size += trailer::kSize;
  if (needsEscaping(options_.format, codec)) {
    const Result<std::size_t> body = escapeInPlace(buffer, frame.offset + frame.clear, frame.size - frame.clear);
    if (!body.ok()) return body.error();
    frame.size = frame.clear + body.value();
  }
  return frame;
}

Result<FrameResult> FrameSealer::seal(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                      const FrameInfo& info) {
  if (sframe_ != nullptr) {
    SFrameState& s = *sframe_;
    if (offset > buffer.size() || length > buffer.size() - offset) return Error::kInvalidArgument;
    const Result<std::size_t> clear =
        clearBytes(options_.format, info.codec, info.type, buffer.subspan(offset, length));
    if (!clear.ok()) return clear.error();
    if (!s.key.isSet()) return Error::kMissingKey;
    if (s.sealed >= options_.maxFramesPerKey) return Error::kCounterExhausted;
    std::array<std::uint8_t, kMaxSFrameHeader + kMaxMetadata> aad;
    const std::size_t header = encodeSFrameHeader(s.kid, s.ctr, std::span(aad).first<kMaxSFrameHeader>());
    const std::size_t tag = s.key.suite().tag;
    if (offset < header || buffer.size() - offset - length < tag) return Error::kBufferTooSmall;
    std::copy_n(aad.begin(), header, buffer.begin() + static_cast<std::ptrdiff_t>(offset - header));
    std::copy_n(s.metadata.begin(), s.metadataSize, aad.begin() + static_cast<std::ptrdiff_t>(header));
    ++s.sealed;
    const std::uint64_t ctr = s.ctr++;
    s.key.seal(ctr, std::span(aad).first(header + s.metadataSize), buffer.subspan(offset, length),
               buffer.subspan(offset + length, tag));
    return FrameResult{
        offset - header, header + length + tag, header, static_cast<std::uint32_t>(s.kid), 0, s.generation, false};
  }

  const Result<Prepared> prepared = prepare(buffer, offset, length, info);
  if (!prepared.ok()) return prepared.error();
  FrameResult frame = prepared.value().frame;
  const std::size_t text = frame.size - frame.clear;
  prepared.value().slot->aead.seal(prepared.value().iv, buffer.subspan(frame.offset, frame.clear),
                                   buffer.subspan(frame.offset + frame.clear, text),
                                   buffer.subspan(frame.offset + frame.size).first<kGcmTagSize>());
  frame.size += kGcmTagSize;
  return appendTrailer(frame, info.codec, prepared.value().iv, buffer);
}

Result<SealPlan> FrameSealer::begin(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t length,
                                    const FrameInfo& info) {
  if (sframe_ != nullptr) return Error::kUnsupportedSuite;
  auto* ticket = std::find_if(tickets_.begin(), tickets_.end(), [](const Ticket& t) { return t.number == 0; });
  if (ticket == tickets_.end()) return Error::kInvalidArgument;
  const Result<Prepared> prepared = prepare(buffer, offset, length, info);
  if (!prepared.ok()) return prepared.error();
  const FrameResult& frame = prepared.value().frame;
  Slot& slot = *prepared.value().slot;
  ticket->iv = prepared.value().iv;
  ticket->number = ++ticketNumber_ == 0 ? ++ticketNumber_ : ticketNumber_;
  ticket->generation = frame.generation;
  ticket->keyIndex = static_cast<std::uint8_t>(frame.keyIndex);
  ticket->codec = info.codec;
  ticket->clear = frame.clear;
  return SealPlan{frame,
                  ticket->iv,
                  slot.derived.key.span().first(slot.derived.keySize),
                  buffer.subspan(frame.offset + frame.clear, frame.size - frame.clear),
                  slot.serial,
                  ticket->number};
}

Result<FrameResult> FrameSealer::finish(std::uint32_t number, std::span<std::uint8_t> buffer, std::size_t offset,
                                        std::size_t length) {
  auto* ticket = std::find_if(tickets_.begin(), tickets_.end(),
                              [number](const Ticket& t) { return number != 0 && t.number == number; });
  if (ticket == tickets_.end()) return Error::kInvalidArgument;
  const Ticket done = *ticket;
  *ticket = Ticket{};
  if (offset > buffer.size() || length > buffer.size() - offset || length < done.clear + kGcmTagSize) {
    return Error::kInvalidArgument;
  }
  if (buffer.size() - offset - length < trailer::kSize) return Error::kBufferTooSmall;
  const FrameResult frame{offset,          length, done.clear, done.keyIndex, trailer::getBig32(done.iv.data()),
                          done.generation, false};
  return appendTrailer(frame, done.codec, done.iv, buffer);
}

void FrameSealer::cancel(std::uint32_t number) {
  for (Ticket& ticket : tickets_) {
    if (number != 0 && ticket.number == number) ticket = Ticket{};
  }
}

}  // namespace siegel
