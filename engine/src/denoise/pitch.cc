#include "denoise/pitch.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "simd/f32x4.h"

namespace siegel::denoise {
namespace {

constexpr std::size_t kOrder = 4;

// REQUIRES: count a multiple of 4.
float product(const float* a, const float* b, std::size_t count) {
  F4 total = splat(0);
  for (std::size_t i = 0; i < count; i += kLanes) total += get4(a + i) * get4(b + i);
  return sum(total);
}

// Prediction of a sample from those before it: Levinson's recursion.
std::array<float, kOrder> predictor(const std::array<float, kOrder + 1>& correlation) {
  std::array<float, kOrder> taps{};
  float error = correlation[0];
  if (error == 0) return taps;
  for (std::size_t i = 0; i < kOrder; ++i) {
    float rest = correlation[i + 1];
    for (std::size_t j = 0; j < i; ++j) rest += taps[j] * correlation[i - j];
    const float reflection = -rest / error;
    const std::array<float, kOrder> before = taps;
    for (std::size_t j = 0; j < i; ++j) taps[j] = before[j] + reflection * before[i - 1 - j];
    taps[i] = reflection;
    error -= reflection * reflection * error;
    // 30 dB: good enough.
    if (error < 0.001F * correlation[0]) break;
  }
  return taps;
}

struct Two {
  std::size_t best = 0;
  std::size_t second = 1;
};

// The two lags whose correlation, squared and divided by the energy it was had from, is largest.
Two largest(std::span<const float> correlation, const float* y, std::size_t length) {
  // Keeps the squares within range.
  constexpr float kDown = 1e-12F;
  Two lags;
  float bestUp = -1;
  float bestDown = 0;
  float secondUp = -1;
  float secondDown = 0;
  float energy = 1 + product(y, y, length);
  for (std::size_t lag = 0; lag < correlation.size(); ++lag) {
    if (correlation[lag] > 0) {
      const float scaled = correlation[lag] * kDown;
      const float up = scaled * scaled;
      if (up * secondDown > secondUp * energy) {
        if (up * bestDown > bestUp * energy) {
          secondUp = bestUp;
          secondDown = bestDown;
          lags.second = lags.best;
          bestUp = up;
          bestDown = energy;
          lags.best = lag;
        } else {
          secondUp = up;
          secondDown = energy;
          lags.second = lag;
        }
      }
    }
    energy = std::max(1.0F, energy + (y[lag + length] * y[lag + length] - y[lag] * y[lag]));
  }
  return lags;
}

// Which side of the middle of three values the top of a curve through them lies on, if clearly.
int lean(float left, float middle, float right) {
  if (right - left > 0.7F * (middle - left)) return 1;
  if (left - right > 0.7F * (middle - right)) return -1;
  return 0;
}

float gain(float xy, float xx, float yy) { return xy / std::sqrt(1 + xx * yy); }

std::size_t distance(std::size_t a, std::size_t b) { return a > b ? a - b : b - a; }

}  // namespace

std::size_t PitchTracker::follow(std::span<const float> frame) {
  std::copy(history_.begin() + static_cast<std::ptrdiff_t>(frame.size()), history_.end(), history_.begin());
  std::ranges::copy(frame, history_.end() - static_cast<std::ptrdiff_t>(frame.size()));
  whiten();
  return shorten(kMost - search());
}

void PitchTracker::whiten() {
  half_[0] = 0.25F * history_[1] + 0.5F * history_[0];
  for (std::size_t i = 1; i < kHalf; ++i)
    half_[i] = 0.25F * (history_[2 * i - 1] + history_[2 * i + 1]) + 0.5F * history_[2 * i];

  std::array<float, kOrder + 1> correlation{};
  for (std::size_t lag = 0; lag <= kOrder; ++lag) {
    const std::size_t whole = (kHalf - lag) / kLanes * kLanes;
    correlation[lag] = product(half_.data() + lag, half_.data(), whole);
    for (std::size_t i = whole; i + lag < kHalf; ++i) correlation[lag] += half_[i + lag] * half_[i];
  }
  // A noise floor of -40 dB, and a window over the lags.
  correlation[0] *= 1.0001F;
  for (std::size_t lag = 1; lag <= kOrder; ++lag) {
    const float width = 0.008F * static_cast<float>(lag);
    correlation[lag] -= correlation[lag] * width * width;
  }
  std::array<float, kOrder> taps = predictor(correlation);
  float shrink = 1;
  for (float& tap : taps) {
    shrink *= 0.9F;
    tap *= shrink;
  }
  // Times a zero at -0.8.
  constexpr float kZero = 0.8F;
  std::array<float, kOrder + 1> filter{};
  for (std::size_t k = 0; k <= kOrder; ++k) {
    if (k < kOrder) filter[k] += taps[k];
    filter[k] += kZero * (k == 0 ? 1.0F : taps[k - 1]);
  }
  std::array<float, kOrder + 1> past{};
  for (float& value : half_) {
    const float now = value;
    for (std::size_t k = 0; k <= kOrder; ++k) value += filter[k] * past[k];
    for (std::size_t k = kOrder; k > 0; --k) past[k] = past[k - 1];
    past[0] = now;
  }
}

// How far before the end of the longest period the best one begins.
std::size_t PitchTracker::search() {
  constexpr std::size_t kLags = kMost - 3 * kLeast;
  constexpr std::size_t kCoarse = kLags / 4;
  constexpr std::size_t kQuarterLook = kLook / 4;
  constexpr std::size_t kHalfLook = kLook / 2;
  const float* x = half_.data() + kMost / 2;

  alignas(16) std::array<float, kQuarterLook> quarterX;
  alignas(16) std::array<float, kQuarterLook + kCoarse + kLanes> quarterY{};
  for (std::size_t i = 0; i < quarterX.size(); ++i) quarterX[i] = x[2 * i];
  for (std::size_t i = 0; i < kQuarterLook + kCoarse; ++i) quarterY[i] = half_[2 * i];
  // Four lags at a time; those beyond the last are not looked at.
  alignas(16) std::array<float, kCoarse + kLanes> coarse;
  for (std::size_t lag = 0; lag < kCoarse; lag += kLanes) {
    F4 total = splat(0);
    for (std::size_t i = 0; i < kQuarterLook; ++i) total += splat(quarterX[i]) * get4(quarterY.data() + lag + i);
    put4(coarse.data() + lag, total);
  }
  const Two rough = largest(std::span(coarse).first(kCoarse), quarterY.data(), kQuarterLook);

  std::array<float, kLags / 2> fine{};
  for (std::size_t lag = 0; lag < fine.size(); ++lag) {
    if (distance(lag, 2 * rough.best) > 2 && distance(lag, 2 * rough.second) > 2) continue;
    fine[lag] = std::max(-1.0F, product(x, half_.data() + lag, kHalfLook));
  }
  const std::size_t best = largest(fine, half_.data(), kHalfLook).best;
  int offset = 0;
  if (best > 0 && best + 1 < fine.size()) offset = lean(fine[best - 1], fine[best], fine[best + 1]);
  return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(2 * best) - offset);
}

std::size_t PitchTracker::shorten(std::size_t period) {
  constexpr std::size_t kHalfMost = kMost / 2;
  constexpr std::size_t kHalfLeast = kLeast / 2;
  constexpr std::size_t kHalfLook = kLook / 2;
  // Which multiple of a fraction is looked at beside it.
  constexpr std::array<std::size_t, 16> kBeside = {0, 0, 3, 2, 3, 2, 5, 2, 3, 2, 3, 2, 5, 2, 3, 2};
  const float* x = half_.data() + kHalfMost;
  const std::size_t before = lastPeriod_ / 2;
  const std::size_t whole = std::min(period / 2, kHalfMost - 1);

  const float xx = product(x, x, kHalfLook);
  // Energy of the 480 samples that begin so many earlier.
  std::array<float, kHalfMost + 1> energy;
  energy[0] = xx;
  float running = xx;
  for (std::size_t i = 1; i <= kHalfMost; ++i) {
    const float in = *(x - i);
    const float out = *(x + kHalfLook - i);
    running = running + in * in - out * out;
    energy[i] = std::max(0.0F, running);
  }
  float bestXy = product(x, x - whole, kHalfLook);
  float bestYy = energy[whole];
  const float wholeGain = gain(bestXy, xx, bestYy);
  float bestGain = wholeGain;
  std::size_t best = whole;
  for (std::size_t k = 2; k <= 15; ++k) {
    const std::size_t part = (2 * whole + k) / (2 * k);
    if (part < kHalfLeast) break;
    std::size_t beside = (2 * kBeside[k] * whole + k) / (2 * k);
    if (k == 2) beside = part + whole > kHalfMost ? whole : whole + part;
    const float xy = 0.5F * (product(x, x - part, kHalfLook) + product(x, x - beside, kHalfLook));
    const float yy = 0.5F * (energy[part] + energy[beside]);
    const float partGain = gain(xy, xx, yy);
    // What was the period a moment ago is likelier to be one now.
    float kept = 0;
    if (distance(part, before) <= 1)
      kept = lastGain_;
    else if (distance(part, before) <= 2 && 5 * k * k < whole)
      kept = 0.5F * lastGain_;
    float threshold = std::max(0.3F, 0.7F * wholeGain - kept);
    // Short periods correlate by chance.
    if (part < 3 * kHalfLeast)
      threshold = std::max(0.4F, 0.85F * wholeGain - kept);
    else if (part < 2 * kHalfLeast)
      threshold = std::max(0.5F, 0.9F * wholeGain - kept);
    if (partGain > threshold) {
      bestXy = xy;
      bestYy = yy;
      best = part;
      bestGain = partGain;
    }
  }
  bestXy = std::max(0.0F, bestXy);
  const float ratio = bestYy <= bestXy ? 1 : bestXy / (bestYy + 1);
  const int offset =
      lean(product(x, x - best + 1, kHalfLook), product(x, x - best, kHalfLook), product(x, x - best - 1, kHalfLook));
  lastGain_ = std::min(ratio, bestGain);
  lastPeriod_ = std::clamp(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(2 * best) + offset), kLeast, kMost);
  return lastPeriod_;
}

}  // namespace siegel::denoise
