// The trailer that JFrame and LiveKit put behind a frame: tag(16) IV(12) 0x0C keyIndex(1). Private to the engine.
#pragma once

#include <cstdint>
#include <span>

#include "siegel/aes_gcm.h"

namespace siegel::trailer {

inline constexpr std::size_t kIvSize = 12;
inline constexpr std::size_t kSize = kIvSize + 2;              // behind the tag
inline constexpr std::size_t kOverhead = kGcmTagSize + kSize;  // 30 bytes in all
inline constexpr std::uint8_t kIvLength = 12;

inline void putBig32(std::uint8_t* out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

inline std::uint32_t getBig32(const std::uint8_t* in) {
  return (std::uint32_t{in[0]} << 24) | (std::uint32_t{in[1]} << 16) | (std::uint32_t{in[2]} << 8) | in[3];
}

}  // namespace siegel::trailer
