// The module that puts other backgrounds behind people: plain exports, no imports, so that it runs in a worker, in Node
// and anywhere. Its memory grows when a frame of another size is opened: views of it are made anew after matte_open()
// and matte_input().
#include <emscripten/emscripten.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "siegel/matte/background.h"

using siegel::WeightsError;
using siegel::matte::Background;
using siegel::matte::Colors;
using siegel::matte::Effect;
using siegel::matte::Layout;
using siegel::matte::Model;
using siegel::matte::Segmenter;
using siegel::matte::Turn;

namespace {

constexpr std::size_t kAlign = 16;
constexpr unsigned kModels = 2;
constexpr unsigned kLayouts = 4;
constexpr unsigned kEffects = 3;
constexpr unsigned kTurns = 4;

Background& background() {
  static Background one;
  return one;
}
void* room = nullptr;
std::vector<std::uint8_t> shown;

}  // namespace

extern "C" {

// Else it would be imported; who keeps views asks for them anew.
void emscripten_notify_memory_growth(std::size_t /*memory*/) {}

// Room for a weights file or a picture, until it is loaded.
EMSCRIPTEN_KEEPALIVE void* matte_room(std::size_t size) {
  std::free(room);
  room = std::aligned_alloc(kAlign, (size + kAlign - 1) / kAlign * kAlign);
  return room;
}
// A WeightsError.
EMSCRIPTEN_KEEPALIVE int matte_load(unsigned model, std::size_t size) {
  if (room == nullptr || model >= kModels) return static_cast<int>(WeightsError::kFormat);
  const WeightsError error =
      background().load(static_cast<Model>(model), {static_cast<const std::uint8_t*>(room), size});
  matte_room(0);
  return static_cast<int>(error);
}
EMSCRIPTEN_KEEPALIVE void matte_exact(int exact) { background().setExact(exact != 0); }
// RGBA.
EMSCRIPTEN_KEEPALIVE int matte_image(std::size_t width, std::size_t height) {
  if (room == nullptr || width > Background::kMostEdge || height > Background::kMostEdge) return 0;
  const bool fits =
      background().compositor().image({static_cast<const std::uint8_t*>(room), 4 * width * height}, width, height);
  matte_room(0);
  return fits ? 1 : 0;
}

EMSCRIPTEN_KEEPALIVE int matte_open(std::size_t width, std::size_t height) {
  return background().open(width, height) ? 1 : 0;
}
EMSCRIPTEN_KEEPALIVE std::uint8_t* matte_input(unsigned layout) {
  return layout < kLayouts ? background().input(static_cast<Layout>(layout)).data() : nullptr;
}
EMSCRIPTEN_KEEPALIVE const std::uint8_t* matte_output() { return background().output().data(); }

// The steps of a frame (siegel/matte/background.h).
EMSCRIPTEN_KEEPALIVE int matte_see(unsigned layout, int fullRange, int bt709, unsigned turn) {
  if (layout >= kLayouts || turn >= kTurns) return 0;
  const Colors colors{.fullRange = fullRange != 0, .bt709 = bt709 != 0};
  return background().see(static_cast<Layout>(layout), colors, static_cast<Turn>(turn)) ? 1 : 0;
}
EMSCRIPTEN_KEEPALIVE int matte_judge(int rarely) { return static_cast<int>(background().judge(rarely != 0)); }
EMSCRIPTEN_KEEPALIVE int matte_compose(unsigned effect) {
  return effect < kEffects && background().compose(static_cast<Effect>(effect)) ? 1 : 0;
}
EMSCRIPTEN_KEEPALIVE void matte_cover() { background().cover(); }
// Alpha of the last frame, width x height.
EMSCRIPTEN_KEEPALIVE const std::uint8_t* matte_show(std::size_t width, std::size_t height) {
  shown.resize(width * height);
  background().compositor().showMatte(shown);
  return shown.data();
}

// For tests: the network by itself.
EMSCRIPTEN_KEEPALIVE float* matte_picture() { return background().picture().data(); }
EMSCRIPTEN_KEEPALIVE float* matte_person() { return background().person().data(); }
EMSCRIPTEN_KEEPALIVE int matte_run(unsigned model) {
  return model < kModels && background().run(static_cast<Model>(model)) ? 1 : 0;
}

}  // extern "C"
