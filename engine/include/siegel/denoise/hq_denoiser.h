// Noise suppression, profile hq: DeepFilterNet3 as a streaming engine, 48 kHz mono, 10 ms frames.
//
// What it does to a frame: spectrum of 960 samples; two kinds of features with running normalisation; an encoder, a
// mask for 32 bands, and complex filters over five frames for the lowest 96 bins; the result is the noisy spectrum,
// masked and filtered. Two corrections of the published model: bin 0 is silent (rumble below 25 Hz passes otherwise),
// and the level of quiet microphones is followed in the features, never in the sound.
//
// Shapes: 480 samples in, 480 out, full scale +-1. What is not finite counts as silence. Delay: 1440 samples from block
// in to block out. Ownership: weights stay the caller's and must outlive the object. Threads: one at a time. Errors:
// WeightsError of load(); process() never fails, and before load() it gives silence. Cost: no allocation after
// construction; about 3.3 million multiplications a frame, some 2 MB of state and tables. Source: Schroeter et al.,
// DeepFilterNet (arXiv 2305.08227); its ONNX export for layers and layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "siegel/weights.h"

namespace siegel::denoise {

class HqDenoiser {
 public:
  static constexpr std::size_t kFrame = 480;
  static constexpr std::size_t kDelay = 1440;
  static constexpr std::size_t kBands = 32;

  HqDenoiser();
  ~HqDenoiser();
  HqDenoiser(const HqDenoiser&) = delete;
  HqDenoiser& operator=(const HqDenoiser&) = delete;

  // REQUIRES: `weights` aligned to 16. On an error nothing is loaded.
  WeightsError load(std::span<const std::uint8_t> weights);
  [[nodiscard]] bool ready() const;
  // As after load(): no memory of what was heard.
  void reset();
  // At most so many dB are taken away, in every bin; 0 or less: everything passes. Default: no limit (100 and more).
  void setLimit(float decibels);
  // Off: features are taken as the microphone gives them, as the published model does.
  void followLevel(bool on);

  void process(std::span<const float, kFrame> in, std::span<float, kFrame> out);

  // Of the last frame: how likely somebody spoke, 0..1, from the signal-to-noise ratio that the network estimates.
  [[nodiscard]] float voice() const;
  // Of the last frame: estimated local signal-to-noise ratio, -15..35 dB, and the mask of the bands, 0..1.
  [[nodiscard]] float signalToNoise() const;
  [[nodiscard]] std::span<const float, kBands> mask() const;

 private:
  class Network;
  std::unique_ptr<Network> network_;
};

}  // namespace siegel::denoise
