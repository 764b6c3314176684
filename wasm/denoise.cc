// The denoisers as a module without glue: plain exports, no imports, so that an AudioWorklet can compile it from bytes
// alone. One microphone for each instance of the module. web/effects calls it; the contract of the parts is in
// siegel/denoise.
#include <emscripten/emscripten.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <span>

#include "siegel/denoise/hq_denoiser.h"
#include "siegel/denoise/stream.h"

namespace {

using siegel::denoise::HqDenoiser;
using siegel::denoise::Stream;

constexpr std::size_t kAlign = 16;

HqDenoiser& denoiser() {
  static HqDenoiser instance;
  return instance;
}
alignas(kAlign) std::array<float, HqDenoiser::kFrame> input;
alignas(kAlign) std::array<float, HqDenoiser::kFrame> output;
void* weights = nullptr;
std::unique_ptr<Stream> stream;
alignas(kAlign) std::array<float, Stream::kBlock> block;

}  // namespace

extern "C" {

// Room for the weights file, which stays in use after load. Called once more, the old one is given up.
EMSCRIPTEN_KEEPALIVE void* denoise_weights(std::size_t size) {
  std::free(weights);
  weights = std::aligned_alloc(kAlign, (size + kAlign - 1) / kAlign * kAlign);
  return weights;
}
// A WeightsError.
EMSCRIPTEN_KEEPALIVE int denoise_load(std::size_t size) {
  if (weights == nullptr) return static_cast<int>(siegel::denoise::WeightsError::kFormat);
  return static_cast<int>(denoiser().load({static_cast<const std::uint8_t*>(weights), size}));
}
EMSCRIPTEN_KEEPALIVE float* denoise_input() { return input.data(); }
EMSCRIPTEN_KEEPALIVE float* denoise_output() { return output.data(); }
EMSCRIPTEN_KEEPALIVE void denoise_process() { denoiser().process(input, output); }
EMSCRIPTEN_KEEPALIVE void denoise_reset() { denoiser().reset(); }
EMSCRIPTEN_KEEPALIVE void denoise_limit(float decibels) { denoiser().setLimit(decibels); }
EMSCRIPTEN_KEEPALIVE void denoise_follow(int on) { denoiser().followLevel(on != 0); }
// Blocks of up to denoise_block_size() samples at this rate, in place. Samples of delay, or -1 for a rate that is not
// taken.
EMSCRIPTEN_KEEPALIVE int denoise_open(unsigned rate) {
  stream = std::make_unique<Stream>(denoiser(), rate);
  return stream->ok() ? static_cast<int>(stream->delay()) : -1;
}
EMSCRIPTEN_KEEPALIVE float* denoise_block() { return block.data(); }
EMSCRIPTEN_KEEPALIVE std::size_t denoise_block_size() { return block.size(); }
EMSCRIPTEN_KEEPALIVE void denoise_run(std::size_t count) {
  const auto part = std::span(block).first(count < block.size() ? count : block.size());
  if (stream != nullptr) stream->process(part, part);
}
EMSCRIPTEN_KEEPALIVE float denoise_snr() { return denoiser().signalToNoise(); }
EMSCRIPTEN_KEEPALIVE const float* denoise_mask() { return denoiser().mask().data(); }

}  // extern "C"
