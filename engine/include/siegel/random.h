// Where unpredictable bytes come from. The shipped build has one source, the platform's CSPRNG; tests hand in their
// own.
#pragma once

#include <cstdint>
#include <span>

namespace siegel {

// Fills `out`. `context` is the pointer registered with it. Must not fail (libsodium ends the program otherwise).
struct RandomSource {
  void (*fill)(void* context, std::span<std::uint8_t> out) = nullptr;
  void* context = nullptr;
};

// libsodium's randombytes_buf: getrandom natively, crypto.getRandomValues in browsers and Node.
[[nodiscard]] RandomSource systemRandom();

}  // namespace siegel
