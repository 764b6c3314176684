// How loud the microphone is, slowly: up at once, down by fractions of a dB a frame. The gain that would bring it to
// the level which the network knows goes to the features only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace siegel::denoise {

class LevelFollower {
 public:
  void reset() { *this = LevelFollower{}; }

  // The window's samples; returns the gain in dB, 0..40.
  float update(std::span<const float> window) {
    // First-order high-pass at 100 Hz: rumble is no level.
    constexpr float kPole = 0.98699F;  // e^(-2 pi 100 / 48000)
    float power = 0;
    float before = window[0];
    float held = 0;
    for (const float sample : window) {
      held = kPole * (held + sample - before);
      before = sample;
      power += held * held;
    }
    const float level = 10 * std::log10(power / static_cast<float>(window.size()) + 1e-10F);
    const float fall = frames_ < kQuickFrames ? kQuickFall : kSlowFall;
    if (frames_ < kQuickFrames) ++frames_;
    level_ = level > level_ ? std::min(level, level_ + kRise) : std::max(level_ - fall, level);
    level_ = std::max(level_, kFloor);
    return std::clamp(kTarget - level_, 0.0F, kMost);
  }

 private:
  static constexpr float kTarget = -26;  // dBFS
  static constexpr float kFloor = -90;
  static constexpr float kMost = 40;
  static constexpr float kRise = 1;  // dB per frame
  static constexpr float kQuickFall = 0.15F;
  static constexpr float kSlowFall = 0.02F;
  static constexpr std::size_t kQuickFrames = 400;

  float level_ = kTarget;
  std::size_t frames_ = 0;
};

}  // namespace siegel::denoise
