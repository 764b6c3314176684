#include "siegel/denoise/denoiser.h"

#include <algorithm>
#include <cmath>

namespace siegel::denoise {
namespace {

// Frames that a profile runs unheard before it takes over: hq's running means have a time constant of a second. Eco is
// taken when the machine is too slow for hq: not for long both.
constexpr std::size_t kWarmHq = 100;
constexpr std::size_t kWarmEco = 10;

constexpr std::size_t delayOf(Profile profile) {
  return profile == Profile::kHq ? HqDenoiser::kDelay : profile == Profile::kEco ? EcoDenoiser::kDelay : 0;
}
static_assert(EcoDenoiser::kFrame == Denoiser::kFrame && HqDenoiser::kFrame == Denoiser::kFrame);
// Whole frames, so that waiting is a matter of rings.
static_assert(EcoDenoiser::kDelay == 2 * Denoiser::kFrame && HqDenoiser::kDelay == 3 * Denoiser::kFrame);

}  // namespace

Denoiser::Denoiser() = default;

WeightsError Denoiser::load(Profile profile, std::span<const std::uint8_t> weights) {
  if (profile == Profile::kEco) return eco_.load(weights);
  if (profile == Profile::kHq) return hq_.load(weights);
  return WeightsError::kTensor;
}

bool Denoiser::ready(Profile profile) const {
  if (profile == Profile::kEco) return eco_.ready();
  if (profile == Profile::kHq) return hq_.ready();
  return profile == Profile::kOff;
}

bool Denoiser::choose(Profile profile) {
  if (!ready(profile)) return false;
  wanted_ = profile;
  return true;
}

void Denoiser::reset() {
  eco_.reset();
  hq_.reset();
  now_ = {};
  changing_ = false;
  for (Frame& frame : past_) frame.fill(0);
  for (Frame& frame : ecoPast_) frame.fill(0);
  hqNow_.fill(0);
  time_ = 0;
  voice_ = 0;
  level_ = -120;
}

void Denoiser::setLimit(float decibels) {
  eco_.setLimit(decibels);
  hq_.setLimit(decibels);
}

// Starts, or gives up, a change of profile.
void Denoiser::begin() {
  if (time_ == 0) {
    now_ = {wanted_, delayOf(wanted_)};
    changing_ = false;
    return;
  }
  // Once two are mixed, that is finished first.
  if (changing_ && faded_ > 0) return;
  if (wanted_ == now_.profile) {
    changing_ = false;
    return;
  }
  if (changing_ && wanted_ == next_.profile) return;
  changing_ = true;
  faded_ = 0;
  next_ = {wanted_, std::max(now_.delay, delayOf(wanted_))};
  warm_ = 0;
  if (wanted_ == Profile::kHq) {
    hq_.reset();
    warm_ = kWarmHq;
  } else if (wanted_ == Profile::kEco) {
    eco_.reset();
    for (Frame& frame : ecoPast_) frame.fill(0);
    warm_ = kWarmEco;
  }
}

void Denoiser::run(Profile profile) {
  const Frame& in = past_[time_ % past_.size()];
  if (profile == Profile::kEco) eco_.process(in, ecoPast_[time_ % ecoPast_.size()]);
  if (profile == Profile::kHq) hq_.process(in, hqNow_);
}

const Denoiser::Frame& Denoiser::sound(const Path& path) const {
  const std::size_t late = (path.delay - delayOf(path.profile)) / kFrame;
  if (path.profile == Profile::kHq) return hqNow_;
  if (path.profile == Profile::kEco) return ecoPast_[(time_ + ecoPast_.size() - late) % ecoPast_.size()];
  return past_[(time_ + past_.size() - late) % past_.size()];
}

float Denoiser::voiceOf(Profile profile) const {
  if (profile == Profile::kEco) return eco_.voice();
  if (profile == Profile::kHq) return hq_.voice();
  return 0;
}

std::size_t Denoiser::delay() const { return time_ == 0 ? delayOf(wanted_) : now_.delay; }

void Denoiser::process(std::span<const float, kFrame> in, std::span<float, kFrame> out) {
  begin();
  // NaN and infinities fail the comparison, too.
  std::ranges::transform(in, past_[time_ % past_.size()].begin(),
                         [](float sample) { return std::abs(sample) < 16 ? sample : 0; });
  run(now_.profile);
  if (changing_) run(next_.profile);

  const Frame& heard = sound(now_);
  if (changing_ && warm_ == 0) {
    const Frame& coming = sound(next_);
    for (std::size_t i = 0; i < kFrame; ++i) {
      const float share = static_cast<float>(faded_ * kFrame + i + 1) / (kFade * kFrame);
      out[i] = heard[i] + share * (coming[i] - heard[i]);
    }
    if (++faded_ == kFade) {
      now_ = next_;
      changing_ = false;
      faded_ = 0;
    }
  } else {
    std::ranges::copy(heard, out.begin());
    if (changing_) --warm_;
  }
  voice_ = voiceOf(now_.profile);
  float power = 0;
  for (const float sample : out) power += sample * sample;
  level_ = 10 * std::log10(power / kFrame + 1e-12F);
  ++time_;
}

}  // namespace siegel::denoise
