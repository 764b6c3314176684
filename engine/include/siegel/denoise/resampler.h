// From one sampling rate to another, band-limited, as a stream: windowed sinc, one set of coefficients for each phase.
//
// Shapes: any number of samples in; out what belongs to them. Pass band to 0.448 of the lower rate (7.1 kHz at 16 kHz)
// within 0.1 dB, images and aliases 80 dB down. Delay: kLobes samples of the lower rate. Threads: one at a time.
// Errors: ok() is false for rates that are none (8 to 192 kHz) or whose ratio needs more than kMaxPhases phases;
// process() then writes nothing. Cost: 2 * kLobes multiplications for each output sample (more by the ratio when the
// rate falls); allocates when constructed. Source: Oppenheim, Schafer, Discrete-Time Signal Processing, 4.6 (rational
// rates), 7.5 (Kaiser's window).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace siegel::denoise {

class Resampler {
 public:
  static constexpr std::size_t kLobes = 48;
  static constexpr std::uint32_t kMaxPhases = 8000;
  // Longer blocks are worked through in parts.
  static constexpr std::size_t kBlock = 1024;

  Resampler(std::uint32_t from, std::uint32_t to);

  [[nodiscard]] bool ok() const { return phases_ > 0; }
  // The most samples that process() writes for so many.
  [[nodiscard]] std::size_t most(std::size_t count) const;
  // Takes all of `in`; returns how many samples were written. REQUIRES: room for most(in.size()).
  std::size_t process(std::span<const float> in, std::span<float> out);
  void reset();

 private:
  std::uint32_t phases_ = 0;  // L: up by it, then down by step_
  std::uint32_t step_ = 0;
  std::size_t taps_ = 0;
  std::vector<float> coefficients_;  // [phase][tap]
  std::vector<float> held_;          // taps_ - 1 samples of before, then the block
  std::size_t position_ = 0;         // of the next output, in samples of held_
  std::uint32_t phase_ = 0;
};

}  // namespace siegel::denoise
