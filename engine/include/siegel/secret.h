// Wiping and comparing secrets (over libsodium: sodium_memzero, sodium_memcmp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace siegel {

// Overwrites `bytes` with zeros in a way that the compiler may not leave out. Caller-owned memory; any length. Cost:
// one pass.
void memzero(std::span<std::uint8_t> bytes);

// Compares in time that depends on the lengths only (which count as public: different lengths are simply unequal).
// Two empty spans are equal.
[[nodiscard]] bool equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

// N bytes that wipe themselves: when assigned over, moved from and at the end of their life. Starts as zeros.
// Not copyable by accident (keys should have one home); use assign() to copy on purpose. Threads: a plain value.
template <std::size_t N>
class SecretBytes {
 public:
  SecretBytes() = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&& other) noexcept : bytes_(other.bytes_) { other.wipe(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.wipe();
    }
    return *this;
  }
  ~SecretBytes() { wipe(); }

  void assign(std::span<const std::uint8_t, N> from) {
    for (std::size_t i = 0; i < N; ++i) bytes_[i] = from[i];
  }
  void wipe() { memzero(bytes_); }
  [[nodiscard]] std::span<std::uint8_t, N> span() { return bytes_; }
  [[nodiscard]] std::span<const std::uint8_t, N> span() const { return bytes_; }
  [[nodiscard]] static constexpr std::size_t size() { return N; }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

}  // namespace siegel
