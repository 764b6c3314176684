// Frames of every size, gap, direction and order of calls: nothing outside of the planes is read or written, and a
// frame that nobody has looked at never comes out as it went in.
#include "siegel/matte/compositor.h"

#include <cmath>
#include <vector>

#include "support.h"

namespace {

struct Picture {
  Picture(std::size_t width, std::size_t height, std::size_t gap, std::uint8_t value) {
    for (std::size_t plane = 0; plane < 3; ++plane) {
      const std::size_t across = plane == 0 ? width : (width + 1) / 2;
      const std::size_t down = plane == 0 ? height : (height + 1) / 2;
      strides[plane] = across + gap;
      data[plane].assign(strides[plane] * (down - 1) + across, value);
    }
  }
  std::array<std::vector<std::uint8_t>, 3> data;
  std::array<std::size_t, 3> strides{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel::matte;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  Compositor compositor;
  constexpr std::size_t kWidth = 32;
  constexpr std::size_t kHeight = 24;
  for (int round = 0; round < 6 && data.remaining_bytes() > 0; ++round) {
    const auto width = data.ConsumeIntegralInRange<std::size_t>(0, 150);
    const auto height = data.ConsumeIntegralInRange<std::size_t>(0, 150);
    if (!compositor.open(width, height)) {
      PROMISE(width < Compositor::kLeast || height < Compositor::kLeast);
      continue;
    }
    Picture in(width, height, data.ConsumeIntegralInRange<std::size_t>(0, 5), 0);
    // One bright pixel: blurred, it is nowhere as bright.
    const auto spot = data.ConsumeIntegralInRange<std::size_t>(0, width - 1);
    in.data[0][spot] = 255;
    Picture out(width, height, data.ConsumeIntegralInRange<std::size_t>(0, 5), 77);
    for (int step = 0; step < 6; ++step) {
      const Colors colors{data.ConsumeBool(), data.ConsumeBool()};
      compositor.frame({{in.data[0].data(), in.data[1].data(), in.data[2].data()}, in.strides}, colors,
                       static_cast<Turn>(data.ConsumeIntegralInRange(0, 3)));
      if (data.ConsumeBool()) {
        std::vector<float> rgb(3 * kWidth * kHeight);
        compositor.picture(kWidth, kHeight, rgb);
        for (const float value : rgb) PROMISE(value >= 0 && value <= 1);
        PROMISE(compositor.change() >= 0 && compositor.change() <= 1);
        std::vector<float> person(kWidth * kHeight);
        for (float& value : person) {
          const auto byte = data.ConsumeIntegral<std::uint8_t>();
          value = byte == 255 ? NAN : static_cast<float>(byte) / 100 - 0.5F;
        }
        compositor.matte(kWidth, kHeight, person, data.ConsumeBool());
      }
      if (data.ConsumeBool()) compositor.cover();
      if (data.ConsumeBool()) {
        const auto w = data.ConsumeIntegralInRange<std::size_t>(0, 9);
        const auto h = data.ConsumeIntegralInRange<std::size_t>(0, 9);
        const std::vector<std::uint8_t> rgba(4 * w * h, data.ConsumeIntegral<std::uint8_t>());
        PROMISE(compositor.image(rgba, w, h) == (w > 0 && h > 0));
      }
      compositor.compose(static_cast<Effect>(data.ConsumeIntegralInRange(0, 2)),
                         {{out.data[0].data(), out.data[1].data(), out.data[2].data()}, out.strides});
      if (compositor.covered()) PROMISE(out.data[0][spot] < 250);
    }
  }
  return 0;
}
