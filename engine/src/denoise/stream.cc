#include "siegel/denoise/stream.h"

#include <algorithm>
#include <cmath>

namespace siegel::denoise {

Stream::Stream(Denoiser& denoiser, std::uint32_t rate)
    : denoiser_(denoiser), plain_(rate == kRate), up_(rate, kRate), down_(kRate, rate) {
  if (!ok()) return;
  constexpr std::size_t kFrame = Denoiser::kFrame;
  outer_ = static_cast<double>(rate) / kRate;
  // A frame may be all but complete, and each resampler a sample early or late.
  ahead_ = static_cast<std::size_t>(std::ceil(kFrame * outer_)) + (plain_ ? 0 : 4);
  // Each resampler holds back its lobes at the lower rate.
  held_ = static_cast<double>(ahead_) + (plain_ ? 0 : 2.0 * Resampler::kLobes * std::max(1.0, outer_));
  scratch_.resize(std::max(up_.most(kBlock), kBlock));
  lowered_.resize(std::max(down_.most(kFrame), kFrame));
  const double frames = std::ceil(static_cast<double>(scratch_.size()) / kFrame) + 1;
  waiting_.resize(ahead_ + kBlock + static_cast<std::size_t>(frames) * lowered_.size());
  reset();
}

void Stream::reset() {
  denoiser_.reset();
  up_.reset();
  down_.reset();
  filled_ = 0;
  std::ranges::fill(waiting_, 0.0F);
  count_ = ahead_;
}

std::size_t Stream::delay() const {
  return static_cast<std::size_t>(std::lround(held_ + static_cast<double>(denoiser_.delay()) * outer_));
}

void Stream::process(std::span<const float> in, std::span<float> out) {
  if (!ok()) {
    std::ranges::fill(out, 0.0F);
    return;
  }
  for (std::size_t at = 0; at < in.size(); at += kBlock) {
    const std::size_t count = std::min(kBlock, in.size() - at);
    part(in.subspan(at, count), out.subspan(at, count));
  }
}

void Stream::part(std::span<const float> in, std::span<float> out) {
  if (plain_) {
    take(in);
  } else {
    const std::size_t count = up_.process(in, scratch_);
    take(std::span(scratch_).first(count));
  }
  const std::size_t ready = std::min(count_, out.size());
  std::copy_n(waiting_.begin(), ready, out.begin());
  // Never, by the size of ahead_; silence rather than what happens to lie there.
  std::ranges::fill(out.subspan(ready), 0.0F);
  std::copy(waiting_.begin() + static_cast<std::ptrdiff_t>(ready),
            waiting_.begin() + static_cast<std::ptrdiff_t>(count_), waiting_.begin());
  count_ -= ready;
}

void Stream::take(std::span<const float> samples) {
  while (!samples.empty()) {
    const std::size_t count = std::min(samples.size(), frame_.size() - filled_);
    std::copy_n(samples.begin(), count, frame_.begin() + static_cast<std::ptrdiff_t>(filled_));
    samples = samples.subspan(count);
    filled_ += count;
    if (filled_ < frame_.size()) return;
    filled_ = 0;
    denoiser_.process(frame_, result_);
    if (plain_) {
      give(result_);
    } else {
      const std::size_t lowered = down_.process(result_, lowered_);
      give(std::span(lowered_).first(lowered));
    }
  }
}

void Stream::give(std::span<const float> samples) {
  const std::size_t count = std::min(samples.size(), waiting_.size() - count_);
  std::copy_n(samples.begin(), count, waiting_.begin() + static_cast<std::ptrdiff_t>(count_));
  count_ += count;
}

}  // namespace siegel::denoise
