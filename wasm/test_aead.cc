// The bare AEAD as WebAssembly exports, for the benchmark and for comparing the vector builds with other
// implementations. It takes a nonce from its caller, so it is never part of what ships.
#include <cstddef>
#include <cstdint>
#include <span>

#include "siegel/aes_gcm.h"

#define EXPORT(name) extern "C" __attribute__((export_name(#name))) auto name

namespace {

constexpr std::size_t kMaxText = 1U << 20;
constexpr std::size_t kMaxAad = 4096;

struct Buffers {
  alignas(16) std::uint8_t text[kMaxText];
  std::uint8_t aad[kMaxAad];
  std::uint8_t key[32];
  std::uint8_t counter[16];  // the nonce is its first 12 bytes
  std::uint8_t tag[16];
};

Buffers buffers;
siegel::AesGcm aes;

siegel::GcmNonce nonce() { return std::span(buffers.counter).first<siegel::kGcmNonceSize>(); }

}  // namespace

EXPORT(textAt)()->std::uint8_t* { return buffers.text; }
EXPORT(aadAt)()->std::uint8_t* { return buffers.aad; }
EXPORT(keyAt)()->std::uint8_t* { return buffers.key; }
EXPORT(counterAt)()->std::uint8_t* { return buffers.counter; }
EXPORT(tagAt)()->std::uint8_t* { return buffers.tag; }
EXPORT(setKey)(std::size_t size)->int { return static_cast<int>(aes.setKey(std::span(buffers.key).first(size))); }
EXPORT(seal)(std::size_t offset, std::size_t size, std::size_t aadSize)->void {
  aes.seal(nonce(), std::span(buffers.aad).first(aadSize), std::span(buffers.text).subspan(offset, size), buffers.tag);
}
EXPORT(open)(std::size_t offset, std::size_t size, std::size_t aadSize)->int {
  return static_cast<int>(aes.open(nonce(), std::span(buffers.aad).first(aadSize),
                                   std::span(buffers.text).subspan(offset, size), buffers.tag));
}
EXPORT(verify)(std::size_t offset, std::size_t size, std::size_t aadSize)->int {
  return aes.verify(nonce(), std::span(buffers.aad).first(aadSize), std::span(buffers.text).subspan(offset, size),
                    buffers.tag)
             ? 1
             : 0;
}
EXPORT(ctr)(std::size_t offset, std::size_t size)->void {
  aes.ctr(buffers.counter, std::span(buffers.text).subspan(offset, size));
}
