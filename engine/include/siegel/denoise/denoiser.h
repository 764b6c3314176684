// What a microphone goes through: the profiles of noise suppression and nothing at all, switched while it runs without
// a click. 48 kHz mono, 10 ms frames.
//
// The delay is that of the slowest profile that ran since reset(): the quicker ones wait for it, so that stepping down
// under load and up again moves no sound in time. A profile that is to take over runs silently for a while first (its
// memory is empty), then both are mixed over kFade frames.
//
// Shapes: 480 samples in, 480 out, full scale +-1; what is not finite counts as silence, in every profile. Ownership:
// weights stay the caller's and must outlive the object. Threads: one at a time. Errors: WeightsError of load();
// choose() of a profile without weights is refused and changes nothing. Cost: that of the profile, of two while one
// takes over; no allocation after construction but in load().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "siegel/denoise/eco_denoiser.h"
#include "siegel/denoise/hq_denoiser.h"
#include "siegel/weights.h"

namespace siegel::denoise {

// Numbers are those of web/effects/types.ts.
enum class Profile : std::uint8_t {
  kOff = 0,  // original sound
  kEco = 1,
  kHq = 2,
};

class Denoiser {
 public:
  static constexpr std::size_t kFrame = 480;
  static constexpr std::size_t kFade = 2;  // frames

  Denoiser();

  // REQUIRES: `weights` aligned to 16. kOff has none: kTensor.
  WeightsError load(Profile profile, std::span<const std::uint8_t> weights);
  [[nodiscard]] bool ready(Profile profile) const;

  // From now on, or as soon as it is warm. False: not ready.
  bool choose(Profile profile);
  // Whose sound is heard; while two are mixed, the one that was.
  [[nodiscard]] Profile running() const { return now_.profile; }
  // As at first, with the same weights, limit and choice; the chosen one runs at once.
  void reset();
  // At most so many dB are taken away; 100 and more: no limit.
  void setLimit(float decibels);

  void process(std::span<const float, kFrame> in, std::span<float, kFrame> out);
  // Samples from block in to block out.
  [[nodiscard]] std::size_t delay() const;

  // Of the last frame. How likely somebody spoke, 0..1 (kOff: 0); RMS of what came out, dBFS, -120 at least.
  [[nodiscard]] float voice() const { return voice_; }
  [[nodiscard]] float level() const { return level_; }

  // For tests of a profile by itself.
  EcoDenoiser& eco() { return eco_; }
  HqDenoiser& hq() { return hq_; }

 private:
  using Frame = std::array<float, kFrame>;
  struct Path {
    Profile profile = Profile::kOff;
    std::size_t delay = 0;
  };
  void begin();
  void run(Profile profile);
  [[nodiscard]] const Frame& sound(const Path& path) const;
  [[nodiscard]] float voiceOf(Profile profile) const;

  EcoDenoiser eco_;
  HqDenoiser hq_;
  Profile wanted_ = Profile::kOff;
  Path now_;
  Path next_;
  bool changing_ = false;
  std::size_t warm_ = 0;   // frames until the fade
  std::size_t faded_ = 0;  // of kFade
  std::array<Frame, 4> past_{};
  std::array<Frame, 2> ecoPast_{};
  Frame hqNow_{};
  std::size_t time_ = 0;
  float voice_ = 0;
  float level_ = -120;
};

}  // namespace siegel::denoise
