// How loud the microphone is, and the gain that would bring it to the level which the network knows. The gain goes to
// the features only, never to the sound.
//
// The level is the 90th percentile of 20 ms windows, of the last five seconds or so of speech: windows well above the
// noise floor count fully, others hardly, so that pauses and noise alone move nothing. Until somebody has spoken it is
// a guess from the noise floor (people speak some 25 dB above it), which a few windows of speech outweigh: the gain is
// there within the first words, also for a quiet microphone and after a silent start.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace siegel::denoise {

class LevelFollower {
 public:
  void reset() { *this = LevelFollower{}; }

  // The window's samples; returns the gain in dB, kLeast..kMost.
  float update(std::span<const float> window) {
    const float level = levelOf(window);
    float weight = 0;
    if (level > kSilence) {
      floor_ = heard_ ? std::min(level, floor_ + kFloorRise) : level;
      heard_ = true;
      weight = level > floor_ + kAboveFloor ? 1 : kOther;
    }
    const float keep = 1 - weight / kMemory;
    // Not down to denormal numbers, which are slow.
    for (float& count : counts_) count = count > kNothing ? count * keep : 0;
    counts_[step(level)] += weight;
    guess_ *= keep;
    all_ = all_ * keep + weight;
    spoken_ += weight;

    const float wanted = std::clamp(kTarget - percentile(), kLeast, kMost);
    gain_ = spoken_ < kFirst ? wanted : std::clamp(wanted, gain_ - kSlope, gain_ + kSlope);
    return gain_;
  }

 private:
  static constexpr float kTarget = -26;       // dBFS
  static constexpr float kLeast = -3;         // dB
  static constexpr float kMost = 40;          // dB
  static constexpr float kSlope = 1;          // dB a frame, at last
  static constexpr float kFirst = 100;        // windows of speech until then
  static constexpr float kSilence = -85;      // dBFS: says nothing about the microphone
  static constexpr float kAboveFloor = 10;    // dB: speech, or at least an event
  static constexpr float kFloorRise = 0.03F;  // dB a frame
  static constexpr float kOther = 0.05F;      // weight of a window that is no speech
  static constexpr float kMemory = 500;       // windows of speech
  static constexpr float kLoud = 0.1F;        // share of the windows that are louder than the level
  static constexpr float kGuess = 3;          // weight of the guess, in windows of speech
  static constexpr float kAboveNoise = 25;    // dB of the guess
  static constexpr float kNothing = 1e-6F;
  static constexpr float kLowest = -90;  // dBFS
  static constexpr float kSteps = 2;     // per dB
  static constexpr std::size_t kCounts = 200;

  static float levelOf(std::span<const float> window) {
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
    return 10 * std::log10(power / static_cast<float>(window.size()) + 1e-10F);
  }

  static std::size_t step(float level) {
    return static_cast<std::size_t>(
        std::clamp(std::round((level - kLowest) * kSteps), 0.0F, static_cast<float>(kCounts - 1)));
  }

  [[nodiscard]] float percentile() const {
    const std::size_t guessed = step(heard_ ? std::min(floor_ + kAboveNoise, kTarget) : kTarget);
    const float wanted = (all_ + guess_) * kLoud;
    float louder = 0;
    std::size_t at = kCounts - 1;
    for (; at > 0; --at) {
      louder += counts_[at];
      if (at == guessed) louder += guess_;
      if (louder >= wanted) break;
    }
    return kLowest + static_cast<float>(at) / kSteps;
  }

  std::array<float, kCounts> counts_{};  // windows by level, older ones worth less
  float all_ = 0;                        // their sum
  float guess_ = kGuess;
  float spoken_ = 0;
  float floor_ = 0;
  float gain_ = 0;
  bool heard_ = false;
};

}  // namespace siegel::denoise
