// The module's door. Embind for the control plane (keys, objects), plain exports for frames. Translates, decides
// nothing. web/media/engine_types.ts is the other side of every name here.
#include <emscripten/bind.h>
#include <emscripten/em_macros.h>
#include <emscripten/val.h>

#include <array>
#include <cstdint>
#include <string>

#include "siegel/frame_opener.h"
#include "siegel/frame_sealer.h"
#include "siegel/secret.h"

namespace {

using emscripten::val;
using siegel::Codec;
using siegel::Derivation;
using siegel::Error;
using siegel::Format;
using siegel::FrameInfo;
using siegel::FrameResult;
using siegel::FrameType;
using siegel::Result;

// Frames larger than this are refused (kBufferTooSmall); a 4K key frame is a quarter of it.
constexpr std::size_t kCapacity = std::size_t{2} << 20;
alignas(16) std::array<std::uint8_t, siegel::kHeadroom + kCapacity + siegel::tailroom(kCapacity)> area;

// ResultField in engine_types.ts.
struct ResultBlock {
  std::uint32_t offset, size, clear, keyIndex, ivSsrc, generation, iv, key, keySize, keySerial, text, textSize, ticket,
      injected;
};
ResultBlock block;

std::uint32_t address(const void* p) { return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(p)); }
int fail(Error error) { return -static_cast<int>(error); }

int report(const FrameResult& frame) {
  block.offset = address(area.data() + frame.offset);
  block.size = static_cast<std::uint32_t>(frame.size);
  block.clear = static_cast<std::uint32_t>(frame.clear);
  block.keyIndex = frame.keyIndex;
  block.ivSsrc = frame.ivSsrc;
  block.generation = frame.generation;
  block.injected = frame.injected ? 1 : 0;
  return static_cast<int>(frame.size);
}

int report(const Result<FrameResult>& result) { return result.ok() ? report(result.value()) : fail(result.error()); }

template <typename Plan>
int report(const Result<Plan>& result) {
  if (!result.ok()) return fail(result.error());
  const Plan& plan = result.value();
  report(plan.frame);
  block.iv = address(plan.iv.data());
  block.key = address(plan.key.data());
  block.keySize = static_cast<std::uint32_t>(plan.key.size());
  block.keySerial = plan.keySerial;
  block.text = address(plan.text.data());
  block.textSize = static_cast<std::uint32_t>(plan.text.size());
  block.ticket = plan.ticket;
  return 0;
}

FrameInfo info(int codec, int type, std::uint32_t ssrc, std::uint32_t timestamp) {
  // Numbers outside the enums become "unknown", which every format refuses.
  return {codec >= 0 && codec <= 6 ? static_cast<Codec>(codec) : Codec::kUnknown,
          type >= 0 && type <= 3 ? static_cast<FrameType>(type) : FrameType::kOther, ssrc, timestamp};
}

// A Uint8Array of JavaScript for the length of one call, wiped afterwards. Longer than any key or metadata is refused
// by size.
class Input {
 public:
  explicit Input(const val& bytes) : size_(bytes["length"].as<std::size_t>()) {
    if (size_ > buffer_.size()) return;
    val(emscripten::typed_memory_view(size_, buffer_.data())).call<void>("set", bytes);
  }
  ~Input() { siegel::memzero(buffer_); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  [[nodiscard]] bool ok() const { return size_ <= buffer_.size(); }
  [[nodiscard]] std::span<const std::uint8_t> span() const { return std::span(buffer_).first(size_); }

 private:
  static inline std::array<std::uint8_t, 4096> buffer_;  // one call at a time: there are no threads
  std::size_t size_;
};

template <typename Call>
int withBytes(const val& bytes, Call call) {
  const Input input(bytes);
  return input.ok() ? static_cast<int>(call(input.span())) : static_cast<int>(Error::kInvalidKey);
}

Format format(int number) { return number >= 0 && number <= 2 ? static_cast<Format>(number) : Format::kJFrame; }
Derivation derivation(int number) { return static_cast<Derivation>(number >= 0 && number <= 2 ? number : 0); }

class Sealer {
 public:
  Sealer(int formatNumber, int ringSize) : sealer_({.format = format(formatNumber), .ringSize = ringSize}) {}
  [[nodiscard]] std::uint32_t handle() const { return address(&sealer_); }
  int setKey(int keyIndex, const val& material, int how, bool current) {
    return withBytes(material, [&](auto bytes) { return sealer_.setKey(keyIndex, bytes, derivation(how), current); });
  }
  int setSFrameKey(int suite, std::uint64_t kid, const val& baseKey) {
    return withBytes(baseKey, [&](auto bytes) { return sealer_.setSFrameKey(suite, kid, bytes); });
  }
  int setMetadata(const val& metadata) {
    return withBytes(metadata, [&](auto bytes) { return sealer_.setMetadata(bytes); });
  }
  int ratchet() {
    const Result<std::uint32_t> generation = sealer_.ratchet();
    return generation.ok() ? static_cast<int>(generation.value()) : fail(generation.error());
  }
  int dropKey(int keyIndex) { return static_cast<int>(sealer_.dropKey(keyIndex)); }
  [[nodiscard]] int currentKeyIndex() const { return sealer_.currentKeyIndex(); }

 private:
  siegel::FrameSealer sealer_;
};

class Opener {
 public:
  Opener(int formatNumber, int ringSize, int ratchetWindow)
      : opener_({.format = format(formatNumber), .ringSize = ringSize, .ratchetWindow = ratchetWindow}) {}
  [[nodiscard]] std::uint32_t handle() const { return address(&opener_); }
  int setKey(int keyIndex, const val& material, int how) {
    return withBytes(material, [&](auto bytes) { return opener_.setKey(keyIndex, bytes, derivation(how)); });
  }
  int setSFrameKey(int suite, std::uint64_t kid, const val& baseKey) {
    return withBytes(baseKey, [&](auto bytes) { return opener_.setSFrameKey(suite, kid, bytes); });
  }
  int setMetadata(const val& metadata) {
    return withBytes(metadata, [&](auto bytes) { return opener_.setMetadata(bytes); });
  }
  int setInjectedFrames(const val& trailer, bool accept) {
    return withBytes(trailer, [&](auto bytes) { return opener_.setInjectedFrames(bytes, accept); });
  }
  int dropKey(int keyIndex) { return static_cast<int>(opener_.dropKey(keyIndex)); }

 private:
  siegel::FrameOpener opener_;
};

std::string errorNames() {
  return "kNone,kMissingKey,kAuthentication,kReplay,kMalformed,kFrameTooShort,kUnsupportedCodec,kUnsupportedFrameType,"
         "kBufferTooSmall,kCounterExhausted,kInvalidArgument,kInvalidKey,kUnsupportedSuite,kEmptyFrame,kInjectedFrame,"
         "kKeyUsage,kTooManyStreams";
}

std::string variant() {
#ifdef __wasm_relaxed_simd__
  return "simd-relaxed";
#else
  return "simd";
#endif
}

}  // namespace

extern "C" {

EMSCRIPTEN_KEEPALIVE std::uint8_t* siegel_area() { return area.data(); }
EMSCRIPTEN_KEEPALIVE std::uint32_t siegel_capacity() { return kCapacity; }
EMSCRIPTEN_KEEPALIVE std::uint32_t siegel_headroom() { return siegel::kHeadroom; }
EMSCRIPTEN_KEEPALIVE ResultBlock* siegel_result() { return &block; }

EMSCRIPTEN_KEEPALIVE int siegel_seal(siegel::FrameSealer* sealer, std::uint32_t length, int codec, int type,
                                     std::uint32_t ssrc, std::uint32_t timestamp) {
  if (length > kCapacity) return fail(Error::kBufferTooSmall);
  return report(sealer->seal(area, siegel::kHeadroom, length, info(codec, type, ssrc, timestamp)));
}

EMSCRIPTEN_KEEPALIVE int siegel_open(siegel::FrameOpener* opener, std::uint32_t length, int codec, int type,
                                     double nowMs) {
  if (length > kCapacity) return fail(Error::kBufferTooSmall);
  return report(opener->open(area, siegel::kHeadroom, length, info(codec, type, 0, 0), nowMs));
}

EMSCRIPTEN_KEEPALIVE int siegel_seal_begin(siegel::FrameSealer* sealer, std::uint32_t length, int codec, int type,
                                           std::uint32_t ssrc, std::uint32_t timestamp) {
  if (length > kCapacity) return fail(Error::kBufferTooSmall);
  return report(sealer->begin(area, siegel::kHeadroom, length, info(codec, type, ssrc, timestamp)));
}

EMSCRIPTEN_KEEPALIVE int siegel_seal_finish(siegel::FrameSealer* sealer, std::uint32_t ticket, std::uint32_t length) {
  if (length > kCapacity) {
    sealer->cancel(ticket);
    return fail(Error::kBufferTooSmall);
  }
  return report(sealer->finish(ticket, area, siegel::kHeadroom, length));
}

EMSCRIPTEN_KEEPALIVE void siegel_seal_cancel(siegel::FrameSealer* sealer, std::uint32_t ticket) {
  sealer->cancel(ticket);
}

EMSCRIPTEN_KEEPALIVE int siegel_open_begin(siegel::FrameOpener* opener, std::uint32_t length, int codec, int type) {
  if (length > kCapacity) return fail(Error::kBufferTooSmall);
  return report(opener->begin(area, siegel::kHeadroom, length, info(codec, type, 0, 0)));
}

EMSCRIPTEN_KEEPALIVE int siegel_open_finish(siegel::FrameOpener* opener, std::uint32_t ticket, std::uint32_t length,
                                            int verified) {
  return fail(opener->finish(ticket, length, verified != 0));
}

// Overwrites every frame that passed through; called before the worker ends.
EMSCRIPTEN_KEEPALIVE void siegel_wipe() { siegel::memzero(area); }

}  // extern "C"

EMSCRIPTEN_BINDINGS(siegel) {
  emscripten::class_<Sealer>("Sealer")
      .constructor<int, int>()
      .property("handle", &Sealer::handle)
      .function("setKey", &Sealer::setKey)
      .function("setSFrameKey", &Sealer::setSFrameKey)
      .function("setMetadata", &Sealer::setMetadata)
      .function("ratchet", &Sealer::ratchet)
      .function("dropKey", &Sealer::dropKey)
      .function("currentKeyIndex", &Sealer::currentKeyIndex);
  emscripten::class_<Opener>("Opener")
      .constructor<int, int, int>()
      .property("handle", &Opener::handle)
      .function("setKey", &Opener::setKey)
      .function("setSFrameKey", &Opener::setSFrameKey)
      .function("setMetadata", &Opener::setMetadata)
      .function("setInjectedFrames", &Opener::setInjectedFrames)
      .function("dropKey", &Opener::dropKey);
  emscripten::function("errorNames", &errorNames);
  emscripten::function("variant", &variant);
}
