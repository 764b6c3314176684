// The module's door. Embind for the control plane (keys, objects), plain exports for frames. Translates, decides
// nothing. web/media/engine_types.ts is the other side of every name here.
#include <emscripten/bind.h>
#include <emscripten/em_macros.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>

#include "siegel/frame_opener.h"
#include "siegel/frame_sealer.h"
#include "siegel/key_state.h"
#include "siegel/secret.h"

namespace {

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

// Where JavaScript puts key material, a SFrame base key, metadata or a trailer for the length of one control-plane
// call, which wipes it. (Embind's own strings and values would leave copies behind, and cost a fifth of the module.)
std::array<std::uint8_t, siegel::kMaxMaterial> input;

template <typename Call>
int withInput(std::uint32_t size, Call call) {
  const int error = static_cast<int>(size <= input.size() ? call(std::span<const std::uint8_t>(input).first(size))
                                                          : Error::kInvalidKey);
  siegel::memzero(input);
  return error;
}

Format format(int number) { return number >= 0 && number <= 2 ? static_cast<Format>(number) : Format::kJFrame; }
// A number outside the enum stays outside, where the engine refuses it.
Derivation derivation(int number) { return static_cast<Derivation>(number >= 0 && number <= 4 ? number : 255); }

// In two halves: Embind's code for 64-bit numbers would come along for this one alone.
std::uint64_t wide(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }

// Objects are named by their address; wasm/control.js gives them the shape of classes. (Embind's own classes would cost
// more bytes than the whole worker.)
using Handle = std::uint32_t;
siegel::FrameSealer& sealerAt(Handle handle) { return *reinterpret_cast<siegel::FrameSealer*>(handle); }
siegel::FrameOpener& openerAt(Handle handle) { return *reinterpret_cast<siegel::FrameOpener*>(handle); }

Handle sealerNew(int formatNumber, int ringSize) {
  return address(new siegel::FrameSealer({.format = format(formatNumber), .ringSize = ringSize}));
}
void sealerDelete(Handle sealer) { delete &sealerAt(sealer); }
int sealerSetKey(Handle sealer, int keyIndex, std::uint32_t size, int how, bool current) {
  return withInput(size,
                   [&](auto bytes) { return sealerAt(sealer).setKey(keyIndex, bytes, derivation(how), current); });
}
int sealerSetSFrameKey(Handle sealer, int suite, std::uint32_t kidHigh, std::uint32_t kidLow, std::uint32_t size) {
  return withInput(size,
                   [&](auto bytes) { return sealerAt(sealer).setSFrameKey(suite, wide(kidHigh, kidLow), bytes); });
}
int sealerSetMetadata(Handle sealer, std::uint32_t size) {
  return withInput(size, [&](auto bytes) { return sealerAt(sealer).setMetadata(bytes); });
}
int sealerRatchet(Handle sealer) {
  const Result<std::uint32_t> generation = sealerAt(sealer).ratchet();
  return generation.ok() ? static_cast<int>(generation.value()) : fail(generation.error());
}
int sealerDropKey(Handle sealer, int keyIndex) { return static_cast<int>(sealerAt(sealer).dropKey(keyIndex)); }
int sealerCurrentKeyIndex(Handle sealer) { return sealerAt(sealer).currentKeyIndex(); }

Handle openerNew(int formatNumber, int ringSize, int ratchetWindow) {
  return address(
      new siegel::FrameOpener({.format = format(formatNumber), .ringSize = ringSize, .ratchetWindow = ratchetWindow}));
}
void openerDelete(Handle opener) { delete &openerAt(opener); }
int openerSetKey(Handle opener, int keyIndex, std::uint32_t size, int how) {
  return withInput(size, [&](auto bytes) { return openerAt(opener).setKey(keyIndex, bytes, derivation(how)); });
}
int openerSetSFrameKey(Handle opener, int suite, std::uint32_t kidHigh, std::uint32_t kidLow, std::uint32_t size) {
  return withInput(size,
                   [&](auto bytes) { return openerAt(opener).setSFrameKey(suite, wide(kidHigh, kidLow), bytes); });
}
int openerSetMetadata(Handle opener, std::uint32_t size) {
  return withInput(size, [&](auto bytes) { return openerAt(opener).setMetadata(bytes); });
}
int openerSetInjectedFrames(Handle opener, std::uint32_t size, bool accept) {
  return withInput(size, [&](auto bytes) { return openerAt(opener).setInjectedFrames(bytes, accept); });
}
int openerDropKey(Handle opener, int keyIndex) { return static_cast<int>(openerAt(opener).dropKey(keyIndex)); }

}  // namespace

extern "C" {

// Embind formats the number of an unknown type into an error text with this one function, which would bring all of
// printf. There are no unknown types here; the text would say "?".
int siprintf(char* out, const char* format, ...);  // NOLINT(cert-dcl50-cpp)
int siprintf(char* out, const char*, ...) {        // NOLINT(cert-dcl50-cpp)
  out[0] = '?';
  out[1] = 0;
  return 1;
}

EMSCRIPTEN_KEEPALIVE std::uint8_t* siegel_area() { return area.data(); }
EMSCRIPTEN_KEEPALIVE std::uint8_t* siegel_input() { return input.data(); }
EMSCRIPTEN_KEEPALIVE int siegel_error_count() { return siegel::kErrorCount; }
EMSCRIPTEN_KEEPALIVE int siegel_relaxed() {
#ifdef __wasm_relaxed_simd__
  return 1;
#else
  return 0;
#endif
}
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

// The C++ library's own versions bring printf for a message that nobody reads. Out of memory ends the module (a trap),
// and the worker with it: nothing passes then.
void* operator new(std::size_t size) {
  void* p = std::malloc(size);
  if (p == nullptr) __builtin_trap();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

EMSCRIPTEN_BINDINGS(siegel) {
  using emscripten::function;
  function("sealerNew", &sealerNew);
  function("sealerDelete", &sealerDelete);
  function("sealerSetKey", &sealerSetKey);
  function("sealerSetSFrameKey", &sealerSetSFrameKey);
  function("sealerSetMetadata", &sealerSetMetadata);
  function("sealerRatchet", &sealerRatchet);
  function("sealerDropKey", &sealerDropKey);
  function("sealerCurrentKeyIndex", &sealerCurrentKeyIndex);
  function("openerNew", &openerNew);
  function("openerDelete", &openerDelete);
  function("openerSetKey", &openerSetKey);
  function("openerSetSFrameKey", &openerSetSFrameKey);
  function("openerSetMetadata", &openerSetMetadata);
  function("openerSetInjectedFrames", &openerSetInjectedFrames);
  function("openerDropKey", &openerDropKey);
}
