// The period of a voice, for eco's comb filter: correlation at a quarter of the rate, refined at half of it, then a
// look whether a fraction of that period explains the sound as well (a voice is known by its shortest period).
//
// Shapes: 48 kHz, frames of 480. Threads: one at a time. No allocation. Source: Valin, RNNoise (arXiv 1709.08243),
// whose pitch analysis is that of Opus (RFC 6716, 5.3 and 4.3.7.1); all constants are RNNoise's.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace siegel::denoise {

class PitchTracker {
 public:
  static constexpr std::size_t kLeast = 60;
  static constexpr std::size_t kMost = 768;
  static constexpr std::size_t kLook = 960;

  // Takes the next 480 samples; returns the period in samples.
  std::size_t follow(std::span<const float> frame);
  // The last 960 samples, as they were `period` samples ago. REQUIRES: period <= kMost.
  [[nodiscard]] std::span<const float> before(std::size_t period) const {
    return std::span(history_).subspan(kMost - period, kLook);
  }
  void reset() { *this = PitchTracker{}; }

 private:
  static constexpr std::size_t kHistory = kMost + kLook;
  static constexpr std::size_t kHalf = kHistory / 2;

  void whiten();
  [[nodiscard]] std::size_t search();
  std::size_t shorten(std::size_t period);

  alignas(16) std::array<float, kHistory> history_{};
  alignas(16) std::array<float, kHalf> half_{};  // of history_, at half the rate, flattened by linear prediction
  std::size_t lastPeriod_ = 0;
  float lastGain_ = 0;
};

}  // namespace siegel::denoise
