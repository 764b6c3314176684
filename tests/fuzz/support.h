// What the fuzz targets share. A broken promise of the engine ends the process: that is how libFuzzer sees it.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "siegel/frame.h"
#include "siegel/frame_opener.h"
#include "siegel/frame_sealer.h"
#include "siegel/random.h"

namespace siegel::fuzz {

using Buffer = std::vector<std::uint8_t>;

#define PROMISE(condition)                                                                 \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)

// The counter that a sealer starts with, chosen by the input.
class FuzzRandom {
 public:
  explicit FuzzRandom(std::uint64_t start) {
    for (std::size_t i = 0; i < 8; ++i) bytes_[i] = static_cast<std::uint8_t>(start >> (56 - 8 * i));
  }
  RandomSource source() {
    return {[](void* context, std::span<std::uint8_t> out) {
              const auto& bytes = static_cast<FuzzRandom*>(context)->bytes_;
              for (std::size_t i = 0; i < out.size(); ++i) out[i] = bytes[i % bytes.size()];
            },
            this};
  }

 private:
  std::array<std::uint8_t, 8> bytes_{};
};

inline FrameInfo pickInfo(FuzzedDataProvider& data) {
  FrameInfo info;
  info.codec = static_cast<Codec>(data.ConsumeIntegralInRange(0, 6));
  info.type = static_cast<FrameType>(data.ConsumeIntegralInRange(0, 3));
  info.ssrc = data.ConsumeIntegral<std::uint32_t>();
  info.timestamp = data.ConsumeIntegral<std::uint32_t>();
  return info;
}

// The frame with exactly the room around it that callers must keep, so that AddressSanitizer sees every byte beyond.
inline Buffer withRoom(std::span<const std::uint8_t> frame) {
  Buffer buffer(kHeadroom + frame.size() + tailroom(frame.size()));
  std::copy(frame.begin(), frame.end(), buffer.begin() + kHeadroom);
  return buffer;
}

inline Buffer cut(std::span<const std::uint8_t> buffer, const FrameResult& result) {
  PROMISE(result.offset <= buffer.size() && result.size <= buffer.size() - result.offset);
  PROMISE(result.clear <= result.size);
  const auto bytes = buffer.subspan(result.offset, result.size);
  return {bytes.begin(), bytes.end()};
}

}  // namespace siegel::fuzz
