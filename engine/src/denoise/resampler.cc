#include "siegel/denoise/resampler.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "simd/f32x4.h"

namespace siegel::denoise {
namespace {

constexpr std::uint32_t kLowest = 8000;
constexpr std::uint32_t kHighest = 192'000;
// 80 dB; the transition of a window this long is 0.052 of the rate wide, and ends where images begin.
constexpr double kBeta = 7.857;
constexpr double kCutoff = 0.474;

// Modified Bessel function of the first kind, order zero, by its series.
double bessel(double x) {
  double term = 1;
  double total = 1;
  for (int k = 1; k < 60; ++k) {
    const double factor = x / (2.0 * k);
    term *= factor * factor;
    total += term;
  }
  return total;
}

}  // namespace

Resampler::Resampler(std::uint32_t from, std::uint32_t to) {
  if (from < kLowest || from > kHighest || to < kLowest || to > kHighest) return;
  const std::uint32_t common = std::gcd(from, to);
  const std::uint32_t phases = to / common;
  if (phases > kMaxPhases) return;
  phases_ = phases;
  step_ = from / common;
  // The lower rate decides; taps are at the rate of the input.
  const double ratio = std::min(1.0, static_cast<double>(to) / from);
  const double reach = kLobes / ratio;
  taps_ = (2 * static_cast<std::size_t>(std::ceil(reach)) + kLanes - 1) / kLanes * kLanes;
  coefficients_.resize(phases_ * taps_);
  const double middle = static_cast<double>(taps_) / 2 - 1;
  for (std::uint32_t phase = 0; phase < phases_; ++phase) {
    double total = 0;
    std::vector<double> row(taps_);
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      const double x = static_cast<double>(tap) - middle - static_cast<double>(phase) / phases_;
      const double inside = 1 - (x / reach) * (x / reach);
      if (inside <= 0) continue;
      const double angle = 2 * std::numbers::pi * kCutoff * ratio * x;
      const double sinc = std::abs(angle) < 1e-9 ? 1 : std::sin(angle) / angle;
      row[tap] = sinc * bessel(kBeta * std::sqrt(inside));
      total += row[tap];
    }
    // Each phase passes a constant exactly.
    for (std::size_t tap = 0; tap < taps_; ++tap)
      coefficients_[phase * taps_ + tap] = static_cast<float>(row[tap] / total);
  }
  held_.resize(taps_ - 1 + kBlock);
  reset();
}

void Resampler::reset() {
  std::ranges::fill(held_, 0.0F);
  position_ = 0;
  phase_ = 0;
}

std::size_t Resampler::most(std::size_t count) const { return ok() ? count * phases_ / step_ + 2 : 0; }

std::size_t Resampler::process(std::span<const float> in, std::span<float> out) {
  if (!ok()) return 0;
  std::size_t written = 0;
  const std::size_t before = taps_ - 1;
  while (!in.empty()) {
    const std::size_t count = std::min(in.size(), kBlock);
    std::ranges::copy(in.first(count), held_.begin() + static_cast<std::ptrdiff_t>(before));
    in = in.subspan(count);
    while (position_ < count) {
      const float* x = held_.data() + position_;
      const float* c = coefficients_.data() + phase_ * taps_;
      F4 total = splat(0);
      for (std::size_t tap = 0; tap < taps_; tap += kLanes) total += get4(x + tap) * get4(c + tap);
      out[written++] = sum(total);
      phase_ += step_;
      position_ += phase_ / phases_;
      phase_ %= phases_;
    }
    position_ -= count;
    std::copy_n(held_.begin() + static_cast<std::ptrdiff_t>(count), before, held_.begin());
  }
  return written;
}

}  // namespace siegel::denoise
