// Noise suppression, profile eco: RNNoise 0.2 (the sparse model of 2024) as a streaming engine, 48 kHz mono, 10 ms
// frames.
//
// What it does to a frame: a high-pass against rumble; the spectrum and that of the same sound one pitch period
// earlier; 65 features (logarithms of 32 bands and how far each repeats with the period, both as cosine transforms; the
// period); two convolutions over time and three recurrent layers, a third of whose weights are there; a gain for each
// band, and from it a comb filter that fills in harmonics between which there is noise. The gains are those of the
// frame before: the network has seen 10 ms more.
//
// Shapes: 480 samples in, 480 out, full scale +-1. What is not finite counts as silence. Delay: 960 samples from block
// in to block out. Ownership: weights stay the caller's and must outlive the object. Threads: one at a time. Errors:
// WeightsError of load(); process() never fails, and before load() it gives silence. Cost: no allocation after
// construction; about 1.1 million multiplications a frame. Source: Valin, RNNoise (arXiv 1709.08243) and the weights of
// its version 0.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "siegel/weights.h"

namespace siegel::denoise {

class EcoDenoiser {
 public:
  static constexpr std::size_t kFrame = 480;
  static constexpr std::size_t kDelay = 960;
  static constexpr std::size_t kBands = 32;

  EcoDenoiser();
  ~EcoDenoiser();
  EcoDenoiser(const EcoDenoiser&) = delete;
  EcoDenoiser& operator=(const EcoDenoiser&) = delete;

  // REQUIRES: `weights` aligned to 16. On an error nothing is loaded.
  WeightsError load(std::span<const std::uint8_t> weights);
  [[nodiscard]] bool ready() const;
  // As after load(): no memory of what was heard.
  void reset();
  // At most so many dB are taken away, in every bin; 0 or less: everything passes but what the high-pass takes.
  // Default: no limit (100 and more).
  void setLimit(float decibels);

  void process(std::span<const float, kFrame> in, std::span<float, kFrame> out);

  // Of the last frame: how likely somebody spoke, 0..1, and the gains of the bands, 0..1, before they are smoothed.
  [[nodiscard]] float voice() const;
  [[nodiscard]] std::span<const float, kBands> gains() const;

 private:
  class Network;
  std::unique_ptr<Network> network_;
};

}  // namespace siegel::denoise
