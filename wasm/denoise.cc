// The denoisers as a module without glue: plain exports, no imports, so that an AudioWorklet can compile it from bytes
// alone. One microphone for each instance of the module. web/effects calls it; the contract of the parts is in
// siegel/denoise.
#include <emscripten/emscripten.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <span>

#include "siegel/denoise/denoiser.h"
#include "siegel/denoise/stream.h"

namespace {

using siegel::WeightsError;
using siegel::denoise::Denoiser;
using siegel::denoise::Profile;
using siegel::denoise::Stream;

constexpr std::size_t kAlign = 16;
constexpr unsigned kProfiles = 3;

Denoiser& denoiser() {
  static Denoiser instance;
  return instance;
}
alignas(kAlign) std::array<float, Denoiser::kFrame> input;
alignas(kAlign) std::array<float, Denoiser::kFrame> output;
std::array<void*, kProfiles> weights{};
std::unique_ptr<Stream> stream;
alignas(kAlign) std::array<float, Stream::kBlock> block;

}  // namespace

extern "C" {

// Room for the weights file of a profile, which stays in use after load; none for what is no profile. Once more for the
// same profile: the old one is given up.
EMSCRIPTEN_KEEPALIVE void* denoise_weights(unsigned profile, std::size_t size) {
  if (profile >= kProfiles) return nullptr;
  std::free(weights[profile]);
  weights[profile] = std::aligned_alloc(kAlign, (size + kAlign - 1) / kAlign * kAlign);
  return weights[profile];
}
// A WeightsError.
EMSCRIPTEN_KEEPALIVE int denoise_load(unsigned profile, std::size_t size) {
  if (profile >= kProfiles || weights[profile] == nullptr) return static_cast<int>(WeightsError::kFormat);
  return static_cast<int>(
      denoiser().load(static_cast<Profile>(profile), {static_cast<const std::uint8_t*>(weights[profile]), size}));
}
// 1, or 0 when it has no weights yet.
EMSCRIPTEN_KEEPALIVE int denoise_choose(unsigned profile) {
  return profile < kProfiles && denoiser().choose(static_cast<Profile>(profile)) ? 1 : 0;
}
EMSCRIPTEN_KEEPALIVE int denoise_running() { return static_cast<int>(denoiser().running()); }
EMSCRIPTEN_KEEPALIVE void denoise_limit(float decibels) { denoiser().setLimit(decibels); }
// Blocks of up to denoise_block_size() samples at this rate, in place; begins anew. 0 for a rate that is not taken.
EMSCRIPTEN_KEEPALIVE int denoise_open(unsigned rate) {
  stream = std::make_unique<Stream>(denoiser(), rate);
  return stream->ok() ? 1 : 0;
}
EMSCRIPTEN_KEEPALIVE float* denoise_block() { return block.data(); }
EMSCRIPTEN_KEEPALIVE std::size_t denoise_block_size() { return block.size(); }
EMSCRIPTEN_KEEPALIVE void denoise_run(std::size_t count) {
  const auto part = std::span(block).first(count < block.size() ? count : block.size());
  if (stream != nullptr) stream->process(part, part);
}
// Samples at the rate of denoise_open.
EMSCRIPTEN_KEEPALIVE std::size_t denoise_delay() { return stream != nullptr ? stream->delay() : 0; }
// Of the last frame: 0..1, and dBFS.
EMSCRIPTEN_KEEPALIVE float denoise_voice() { return denoiser().voice(); }
EMSCRIPTEN_KEEPALIVE float denoise_level() { return denoiser().level(); }

// For tests: a profile by itself, frame by frame at 48 kHz, and what hq saw.
EMSCRIPTEN_KEEPALIVE float* denoise_input() { return input.data(); }
EMSCRIPTEN_KEEPALIVE float* denoise_output() { return output.data(); }
EMSCRIPTEN_KEEPALIVE void denoise_process(unsigned profile) {
  if (profile == static_cast<unsigned>(Profile::kEco)) denoiser().eco().process(input, output);
  if (profile == static_cast<unsigned>(Profile::kHq)) denoiser().hq().process(input, output);
}
EMSCRIPTEN_KEEPALIVE void denoise_reset() { denoiser().reset(); }
EMSCRIPTEN_KEEPALIVE void denoise_follow(int on) { denoiser().hq().followLevel(on != 0); }
EMSCRIPTEN_KEEPALIVE float denoise_snr() { return denoiser().hq().signalToNoise(); }
EMSCRIPTEN_KEEPALIVE const float* denoise_mask() { return denoiser().hq().mask().data(); }
EMSCRIPTEN_KEEPALIVE float denoise_eco_voice() { return denoiser().eco().voice(); }

}  // extern "C"
