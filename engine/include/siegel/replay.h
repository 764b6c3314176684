// Replay windows: what was opened once is not opened again.
//
// IvWindow (JFrame, LiveKit) remembers the exact IVs of the last kIvWindow frames of one SSRC under one key, because
// these formats let a sender choose any unique IV (stock senders count modulo 65535, some subtract). When the oldest
// falls out, its RTP timestamp becomes a floor: anything at or below it is too old. Reordering inside the window is
// fine. CtrWindow (SFrame) is the bitmap of RFC 3711 3.3.2 over the 64-bit counter.
//
// Both are plain values: no allocation, no secrets. Threads: one at a time. Cost: O(1) expected, bounded by kIvWindow
// probes. REQUIRES of record(): the frame's tag has verified, and check() said yes for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace siegel {

inline constexpr std::size_t kIvWindow = 512;

// Serial number arithmetic (RFC 1982) on 32-bit RTP timestamps: a is later than b.
constexpr bool laterThan(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

class IvWindow {
 public:
  void reset();
  // Empty, but everything up to and including `floor` counts as too old: a window that continues a closed one.
  void resetAbove(std::uint32_t floor);
  // The latest timestamp that was recorded (or the floor). REQUIRES: at least one of the two.
  [[nodiscard]] std::uint32_t latest() const { return latest_; }
  // True when (timestamp, word) was not recorded and is not older than the window.
  [[nodiscard]] bool check(std::uint32_t timestamp, std::uint32_t word) const;
  void record(std::uint32_t timestamp, std::uint32_t word);

 private:
  struct Entry {
    std::uint32_t timestamp;
    std::uint32_t word;
  };
  static constexpr std::size_t kSlots = 2 * kIvWindow;  // half empty at worst: short probes
  static constexpr std::uint16_t kEmpty = 0xFFFF;
  [[nodiscard]] static std::size_t home(std::uint32_t timestamp, std::uint32_t word);
  [[nodiscard]] std::size_t find(std::uint32_t timestamp, std::uint32_t word) const;  // its slot, or kSlots
  void erase(std::size_t slot);

  std::array<Entry, kIvWindow> entries_;  // ring, in order of arrival
  std::array<std::uint16_t, kSlots> table_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  std::uint32_t floor_ = 0;
  std::uint32_t latest_ = 0;
  bool hasFloor_ = false;
};

class CtrWindow {
 public:
  void reset();
  [[nodiscard]] bool check(std::uint64_t counter) const;
  void record(std::uint64_t counter);

 private:
  static constexpr std::uint64_t kBits = 1024;
  std::array<std::uint64_t, kBits / 64> seen_{};  // bit counter mod kBits
  std::uint64_t highest_ = 0;
  bool any_ = false;
};

}  // namespace siegel
