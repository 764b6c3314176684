// A denoiser for blocks of any length at any sampling rate: what an AudioWorklet or a file has.
//
// Shapes: mono, as many samples out as in. Delay: delay() samples; it changes only with the denoiser's own. Ownership:
// of the denoiser it is given only a reference, which must outlive it. Threads: one at a time. Errors: ok() is false
// for rates that the resampler does not take; process() then gives silence. Cost: that of the denoiser and, unless the
// rate is 48 kHz, of two resamplers; no allocation after construction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "siegel/denoise/denoiser.h"
#include "siegel/denoise/resampler.h"

namespace siegel::denoise {

class Stream {
 public:
  static constexpr std::uint32_t kRate = 48'000;
  // Longer blocks are worked through in parts.
  static constexpr std::size_t kBlock = 1024;

  Stream(Denoiser& denoiser, std::uint32_t rate);

  [[nodiscard]] bool ok() const { return plain_ || (up_.ok() && down_.ok()); }
  [[nodiscard]] std::size_t delay() const;
  // REQUIRES: the same length. `in` and `out` may be the same.
  void process(std::span<const float> in, std::span<float> out);
  void reset();

 private:
  void part(std::span<const float> in, std::span<float> out);
  void take(std::span<const float> samples);  // at 48 kHz
  void give(std::span<const float> samples);  // at the outer rate

  Denoiser& denoiser_;
  bool plain_;
  Resampler up_;
  Resampler down_;
  std::size_t ahead_ = 0;  // samples of silence that stand ready, so that there is always enough to give
  double outer_ = 1;       // samples outside for one at 48 kHz
  double held_ = 0;        // samples of delay without the denoiser's
  std::array<float, Denoiser::kFrame> frame_{};
  std::array<float, Denoiser::kFrame> result_{};
  std::size_t filled_ = 0;
  std::vector<float> scratch_;
  std::vector<float> lowered_;
  std::vector<float> waiting_;
  std::size_t count_ = 0;  // of waiting_
};

}  // namespace siegel::denoise
