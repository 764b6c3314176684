#include "siegel/matte/compositor.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "matte/planes.h"

namespace siegel::matte {
namespace {

constexpr std::size_t kModelEdge = 256;
constexpr std::size_t kPlanes = 3;

// Alpha has 8 bits, 256 is all of it. alpha = (a * Y >> 8) + (b >> 2).
constexpr float kSlopeScale = 256;
constexpr float kOffsetScale = 256 * 4;
constexpr float kMostCoefficient = 16'000;
// Backgrounds have six bits behind the point, so that a soft one has no steps.
constexpr int kFraction = 6;

struct Matrix {
  float scale, offset, redV, greenU, greenV, blueU;
};
Matrix matrixOf(const Colors& colors) {
  const float luma = colors.fullRange ? 1.0F : 255.0F / 219;
  const float chroma = colors.fullRange ? 1.0F : 255.0F / 224;
  const float offset = colors.fullRange ? 0.0F : 16;
  if (colors.bt709) return {luma, offset, 1.5748F * chroma, 0.1873F * chroma, 0.4681F * chroma, 1.8556F * chroma};
  return {luma, offset, 1.402F * chroma, 0.3441F * chroma, 0.7141F * chroma, 1.772F * chroma};
}

// A row of a plane of another size. Where rows stay rows: first between two of them, then along that.
template <typename Value>
void sampleRow(const Value* plane, bool turned, std::size_t length, std::span<const Tap> across, const Tap& down,
               float* line, float* out) {
  if (turned) {
    for (std::size_t x = 0; x < across.size(); ++x) out[x] = sample(plane, across[x], down);
    return;
  }
  const Value* above = plane + down.low;
  const Value* below = plane + down.high;
  for (std::size_t x = 0; x < length; ++x) {
    const auto first = static_cast<float>(above[x]);
    line[x] = first + (static_cast<float>(below[x]) - first) * down.share;
  }
  for (std::size_t x = 0; x < across.size(); ++x)
    out[x] = line[across[x].low] + (line[across[x].high] - line[across[x].low]) * across[x].share;
}

std::int16_t fixed(float value, float scale) {
  return static_cast<std::int16_t>(std::lrint(std::clamp(value * scale, -kMostCoefficient, kMostCoefficient)));
}

}  // namespace

class Compositor::Impl {
 public:
  bool open(std::size_t width, std::size_t height);
  void frame(const ConstFrame& in, const Colors& colors, Turn turn);
  void picture(std::size_t width, std::size_t height, std::span<float> rgb);
  void matte(std::size_t width, std::size_t height, std::span<const float> person, bool steady);
  bool image(std::span<const std::uint8_t> rgba, std::size_t width, std::size_t height);
  void compose(Effect effect, const Frame& out);
  void showMatte(std::span<std::uint8_t> out) const;

  // The matte and what it came from.
  void forget() {
    covered = true;
    seen_ = remembers_ = false;
  }

  bool covered = true;
  float change = 1;

 private:
  void guide();
  void blur(bool whole, std::size_t radius);
  void makeRoomForImage();
  void cutImage();
  void composeLuma(bool image, std::size_t y, const std::uint8_t* in, std::uint8_t* out, std::int16_t* alphas);
  void meanAlphas();
  void composeChroma(std::size_t plane, bool image, std::size_t y, const std::uint8_t* in, std::uint8_t* out);

  bool seen_ = false;       // a picture, in this size and this way up
  bool remembers_ = false;  // what the network said
  bool cutFits_ = false;    // cut_ is of image_, this size, way and colours
  Colors colors_{};
  Turn turn_ = Turn::kNone;
  Enlarger luma_;
  Enlarger lumaOfTiny_;
  Enlarger chromaOfTiny_;

  Extent size_{};
  Extent small_{};
  Extent pitched_{};  // small_ with rows of a multiple of 8: planes of floats
  Extent tiny_{};     // half of it, for backgrounds
  Extent tinyPitched_{};
  std::size_t factor_ = 0;
  ConstFrame in_{};

  std::array<std::vector<std::uint8_t>, kPlanes> planes_;  // small
  std::vector<std::uint16_t> sums_;
  std::array<Tap, kModelEdge> across_{};  // of the model's picture
  std::array<Tap, kModelEdge> down_{};
  std::vector<Tap> acrossSmall_;  // of the small planes, out of the model's picture
  std::vector<Tap> downSmall_;

  Extent pictureSize_{};
  std::vector<float> before_;  // luma of the picture before
  std::vector<float> moved_;   // how much it moved, 0..1
  std::vector<float> person_;  // steadied

  std::array<std::vector<float>, 6> work_;  // small, pitched
  std::vector<float> room_;
  std::vector<float> line_;
  std::vector<std::int16_t> slope_;  // small
  std::vector<std::int16_t> offset_;
  std::vector<float> alpha_;                                   // pitched
  std::array<std::vector<std::int16_t>, kPlanes> background_;  // tiny

  std::vector<std::int16_t> narrowRow_;
  std::array<std::vector<std::int16_t>, kPlanes> wideRows_;
  std::array<std::vector<std::int16_t>, 2> alphaRows_;  // 0..256
  std::vector<std::int16_t> chromaAlphas_;

  std::vector<std::uint8_t> image_;  // RGBA, as given
  Extent imageSize_{};
  std::array<std::vector<std::uint8_t>, kPlanes> cut_;  // in the frame's size and colours
};

// --- Sizes -----------------------------------------------------------------------------------------------------------

bool Compositor::Impl::open(std::size_t width, std::size_t height) {
  forget();
  change = 1;
  cutFits_ = false;
  size_ = {};
  if (width < kLeast || height < kLeast || width > kMostWidth || height > kMostHeight) return false;
  size_ = {width, height};
  // An even number, so that chroma planes shrink by a whole one, too.
  factor_ = 2 * std::clamp<std::size_t>((std::max(width, height) + 320) / 640, 1, 7);
  small_ = {(width + factor_ - 1) / factor_, (height + factor_ - 1) / factor_};
  pitched_ = {(small_.width + 7) / 8 * 8, small_.height};
  tiny_ = {(small_.width + 1) / 2, (small_.height + 1) / 2};
  tinyPitched_ = {(tiny_.width + 7) / 8 * 8, tiny_.height};
  luma_ = Enlarger(factor_);
  lumaOfTiny_ = Enlarger(2 * factor_);
  chromaOfTiny_ = Enlarger(factor_);
  for (auto& plane : planes_) plane.assign(small_.area(), 0);
  sums_.assign(width, 0);
  acrossSmall_.assign(std::max(small_.width, small_.height), {});
  downSmall_.assign(std::max(small_.width, small_.height), {});
  for (auto& plane : work_) plane.assign(pitched_.area(), 0);
  room_.assign(pitched_.area(), 0);
  line_.assign(std::max(pitched_.width, kModelEdge) + 12, 0);
  slope_.assign(small_.area(), 0);
  offset_.assign(small_.area(), 0);
  alpha_.assign(pitched_.area(), 0);
  for (auto& plane : background_) plane.assign(tiny_.area(), 0);
  narrowRow_.assign(small_.width + 16, 0);
  for (auto& row : wideRows_) row.assign((small_.width + 4) * factor_ + 64, 0);
  for (auto& row : alphaRows_) row.assign(width + 32, 0);
  chromaAlphas_.assign(width / 2 + 32, 0);
  before_.assign(kModelEdge * kModelEdge, 0);
  moved_.assign(kModelEdge * kModelEdge, 0);
  person_.assign(kModelEdge * kModelEdge, 0);
  makeRoomForImage();
  return true;
}

// --- A frame comes ---------------------------------------------------------------------------------------------------

void Compositor::Impl::frame(const ConstFrame& in, const Colors& colors, Turn turn) {
  if (size_.width == 0) return;
  in_ = in;
  if (colors.fullRange != colors_.fullRange || colors.bt709 != colors_.bt709) cutFits_ = false;
  colors_ = colors;
  if (turn != turn_) {
    // Another way up is another picture.
    forget();
    cutFits_ = false;
  }
  turn_ = turn;
  reduce(in.planes[0], in.strides[0], size_, factor_, sums_.data(), planes_[0].data());
  const Extent half{(size_.width + 1) / 2, (size_.height + 1) / 2};
  for (std::size_t plane = 1; plane < kPlanes; ++plane)
    reduce(in.planes[plane], in.strides[plane], half, factor_ / 2, sums_.data(), planes_[plane].data());
}

void Compositor::Impl::picture(std::size_t width, std::size_t height, std::span<float> rgb) {
  if (size_.width == 0 || width > kModelEdge || height > kModelEdge || width % kLanes != 0 ||
      rgb.size() != 3 * width * height)
    return;
  // Which side of the frame the picture's rows run along, and from which end.
  const bool turned = swapsSides(turn_);
  if (turned) {
    makeAxis(small_.height, width, small_.width, turn_ == Turn::kQuarter, across_);
    makeAxis(small_.width, height, 1, turn_ == Turn::kThreeQuarters, down_);
  } else {
    makeAxis(small_.width, width, 1, turn_ == Turn::kHalf, across_);
    makeAxis(small_.height, height, small_.width, turn_ == Turn::kHalf, down_);
  }
  const Matrix matrix = matrixOf(colors_);
  constexpr float kShare = 1.0F / 255;
  constexpr float kStill = 0.02F;
  constexpr float kMoving = 0.08F;
  const bool known = seen_ && pictureSize_.width == width && pictureSize_.height == height;
  std::array<float, kModelEdge / 8> blocks{};
  change = known ? 0.0F : 1.0F;
  std::array<std::array<float, kModelEdge>, kPlanes> yuv;
  std::array<std::array<float, kModelEdge>, kPlanes> colors;
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t plane = 0; plane < kPlanes; ++plane)
      sampleRow(planes_[plane].data(), turned, small_.width, std::span(across_).first(width), down_[y], line_.data(),
                yuv[plane].data());
    float* before = before_.data() + y * width;
    float* moved = moved_.data() + y * width;
    for (std::size_t x = 0; x < width; x += kLanes) {
      const F4 luma = (get4(&yuv[0][x]) - splat(matrix.offset)) * splat(matrix.scale * kShare);
      const F4 u = (get4(&yuv[1][x]) - splat(128)) * splat(kShare);
      const F4 v = (get4(&yuv[2][x]) - splat(128)) * splat(kShare);
      const auto limit = [](F4 value) { return smaller(larger(value, splat(0)), splat(1)); };
      put4(&colors[0][x], limit(luma + splat(matrix.redV) * v));
      put4(&colors[1][x], limit(luma - splat(matrix.greenU) * u - splat(matrix.greenV) * v));
      put4(&colors[2][x], limit(luma + splat(matrix.blueU) * u));
      const F4 difference = known ? luma - get4(before + x) : splat(1);
      const F4 size = larger(difference, -difference);
      put4(moved + x, limit((size - splat(kStill)) * splat(1 / (kMoving - kStill))));
      put4(before + x, luma);
      blocks[x / 8] += sum(difference);
    }
    float* to = rgb.data() + 3 * y * width;
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t color = 0; color < 3; ++color) to[3 * x + color] = colors[color][x];
    if (y % 8 != 7 && y + 1 != height) continue;
    if (known)
      for (const float block : blocks) change = std::max(change, std::abs(block) / 64);
    blocks = {};
  }
  seen_ = true;
  pictureSize_ = {width, height};
}

// --- The matte -------------------------------------------------------------------------------------------------------

void Compositor::Impl::matte(std::size_t width, std::size_t height, std::span<const float> person, bool steady) {
  if (size_.width == 0 || width > kModelEdge || height > kModelEdge || person.size() != width * height) return;
  // Where it is sure, and where something moved, it is taken as it is: else people leave trails.
  constexpr float kMemory = 0.9F;
  const bool mixes = steady && remembers_ && pictureSize_.width == width && pictureSize_.height == height;
  for (std::size_t i = 0; i < person.size(); ++i) {
    const float now = person[i] >= 0 && person[i] <= 1 ? person[i] : 0;
    if (!mixes) {
      person_[i] = now;
      continue;
    }
    const float sure = 2 * now - 1;
    const float unsure = 1 - sure * sure;
    person_[i] = now + (person_[i] - now) * (kMemory * unsure * unsure * (1 - moved_[i]));
  }
  remembers_ = true;

  const bool turned = swapsSides(turn_);
  if (turned) {
    makeAxis(height, small_.width, width, turn_ == Turn::kThreeQuarters, acrossSmall_);
    makeAxis(width, small_.height, 1, turn_ == Turn::kQuarter, downSmall_);
  } else {
    makeAxis(width, small_.width, 1, turn_ == Turn::kHalf, acrossSmall_);
    makeAxis(height, small_.height, width, turn_ == Turn::kHalf, downSmall_);
  }
  for (std::size_t y = 0; y < small_.height; ++y) {
    float* to = alpha_.data() + y * pitched_.width;
    sampleRow(person_.data(), turned, width, std::span(acrossSmall_).first(small_.width), downSmall_[y], line_.data(),
              to);
    std::fill(to + small_.width, to + pitched_.width, to[small_.width - 1]);
  }
  guide();
  covered = false;
}

void Compositor::Impl::guide() {
  constexpr std::size_t kRadius = 4;
  constexpr float kSmooth = 4e-4F;
  constexpr float kSharper = 1.2F;
  auto& [mean, meanAlpha, square, product, slope, offset] = work_;
  constexpr float kShare = 1.0F / 255;
  for (std::size_t y = 0; y < small_.height; ++y) {
    const std::uint8_t* luma = planes_[0].data() + y * small_.width;
    for (std::size_t x = 0; x < pitched_.width; ++x) {
      const std::size_t at = y * pitched_.width + x;
      const float value = static_cast<float>(luma[std::min(x, small_.width - 1)]) * kShare;
      mean[at] = value;
      square[at] = value * value;
      product[at] = value * alpha_[at];
    }
  }
  const auto smooth = [&](const std::vector<float>& in, std::vector<float>& out) {
    box(in.data(), pitched_, kRadius, room_.data(), line_.data(), out.data());
  };
  smooth(alpha_, meanAlpha);
  smooth(square, square);
  smooth(product, product);
  smooth(mean, mean);
  for (std::size_t i = 0; i < pitched_.area(); i += kLanes) {
    const F4 m = get4(&mean[i]);
    const F4 a = (get4(&product[i]) - m * get4(&meanAlpha[i])) / (get4(&square[i]) - m * m + splat(kSmooth));
    put4(&slope[i], a);
    put4(&offset[i], get4(&meanAlpha[i]) - a * m);
  }
  smooth(slope, slope);
  smooth(offset, offset);
  for (std::size_t y = 0; y < small_.height; ++y) {
    const std::uint8_t* luma = planes_[0].data() + y * small_.width;
    for (std::size_t x = 0; x < small_.width; ++x) {
      const std::size_t at = y * pitched_.width + x;
      const float a = slope[at] * kSharper;
      const float b = (offset[at] - 0.5F) * kSharper + 0.5F;
      slope_[y * small_.width + x] = fixed(a, kSlopeScale * 256 / 255);
      offset_[y * small_.width + x] = fixed(b, kOffsetScale);
      alpha_[at] = std::clamp(a * static_cast<float>(luma[x]) * kShare + b, 0.0F, 1.0F);
    }
  }
}

// --- Backgrounds -----------------------------------------------------------------------------------------------------

// background_ from the small planes; without the people's colours, unless of the `whole` frame. `radius` is of the tiny
// planes' size.
void Compositor::Impl::blur(bool whole, std::size_t radius) {
  // A little of everything, so that there is something everywhere.
  constexpr float kLeastWeight = 1.0F / 512;
  auto& [y, u, v, weights, spare, other] = work_;
  const std::array<std::vector<float>*, kPlanes> colors = {&y, &u, &v};
  for (std::size_t row = 0; row < tiny_.height; ++row)
    for (std::size_t column = 0; column < tinyPitched_.width; ++column) {
      float total = 0;
      std::array<float, kPlanes> sums{};
      for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        const std::size_t j = std::min(2 * row + quarter / 2, small_.height - 1);
        const std::size_t i = std::min(2 * column + quarter % 2, small_.width - 1);
        const float background = whole ? 1 : 1 - alpha_[j * pitched_.width + i];
        // What is half a person is no background.
        const float weight = std::max(background * background, kLeastWeight);
        total += weight;
        for (std::size_t plane = 0; plane < kPlanes; ++plane)
          sums[plane] += weight * static_cast<float>(planes_[plane][j * small_.width + i]);
      }
      const std::size_t at = row * tinyPitched_.width + column;
      weights[at] = total;
      for (std::size_t plane = 0; plane < kPlanes; ++plane) (*colors[plane])[at] = sums[plane];
    }
  for (int pass = 0; pass < 3; ++pass)
    for (auto* each : {&y, &u, &v, &weights})
      box(each->data(), tinyPitched_, radius, room_.data(), line_.data(), each->data());
  constexpr auto kScale = static_cast<float>(1U << kFraction);
  for (std::size_t row = 0; row < tiny_.height; ++row)
    for (std::size_t column = 0; column < tiny_.width; ++column) {
      const std::size_t at = row * tinyPitched_.width + column;
      const float share = kScale / weights[at];
      for (std::size_t plane = 0; plane < kPlanes; ++plane)
        background_[plane][row * tiny_.width + column] =
            static_cast<std::int16_t>(std::clamp((*colors[plane])[at] * share + 0.5F, 0.0F, 255 * kScale));
    }
}

bool Compositor::Impl::image(std::span<const std::uint8_t> rgba, std::size_t width, std::size_t height) {
  cutFits_ = false;
  image_.clear();
  imageSize_ = {};
  if (width == 0 || height == 0 || width > kMostWidth || height > kMostHeight || rgba.size() != 4 * width * height)
    return false;
  image_.assign(rgba.begin(), rgba.end());
  imageSize_ = {width, height};
  makeRoomForImage();
  return true;
}

// Only for those who have an image: as much as a frame.
void Compositor::Impl::makeRoomForImage() {
  if (imageSize_.width == 0 || size_.width == 0) return;
  // Eight are read at once, also at the end of the last row.
  constexpr std::size_t kMore = 8;
  cut_[0].resize(size_.area() + kMore);
  for (std::size_t plane = 1; plane < kPlanes; ++plane)
    cut_[plane].resize((size_.width + 1) / 2 * ((size_.height + 1) / 2) + kMore);
}

void Compositor::Impl::cutImage() {
  // Upright on the screen, so turned the other way in the frame; the middle of it, in the frame's shape.
  const Extent shown = swapsSides(turn_) ? Extent{size_.height, size_.width} : size_;
  const float scale = std::min(static_cast<float>(imageSize_.width) / static_cast<float>(shown.width),
                               static_cast<float>(imageSize_.height) / static_cast<float>(shown.height));
  const float left = (static_cast<float>(imageSize_.width) - scale * static_cast<float>(shown.width)) / 2;
  const float top = (static_cast<float>(imageSize_.height) - scale * static_cast<float>(shown.height)) / 2;
  const auto color = [&](std::size_t x, std::size_t y, std::size_t channel) {
    std::size_t column = x;
    std::size_t row = y;
    if (turn_ == Turn::kQuarter) {
      column = size_.height - 1 - y;
      row = x;
    } else if (turn_ == Turn::kHalf) {
      column = size_.width - 1 - x;
      row = size_.height - 1 - y;
    } else if (turn_ == Turn::kThreeQuarters) {
      column = y;
      row = size_.width - 1 - x;
    }
    const auto place = [scale](std::size_t at, float from, std::size_t count) {
      return std::clamp((static_cast<float>(at) + 0.5F) * scale + from - 0.5F, 0.0F, static_cast<float>(count - 1));
    };
    const float px = place(column, left, imageSize_.width);
    const float py = place(row, top, imageSize_.height);
    const auto x0 = static_cast<std::size_t>(px);
    const auto y0 = static_cast<std::size_t>(py);
    const std::size_t x1 = std::min(x0 + 1, imageSize_.width - 1);
    const std::size_t y1 = std::min(y0 + 1, imageSize_.height - 1);
    const float fx = px - static_cast<float>(x0);
    const float fy = py - static_cast<float>(y0);
    const auto value = [&](std::size_t i, std::size_t j) {
      return static_cast<float>(image_[4 * (j * imageSize_.width + i) + channel]);
    };
    const float above = value(x0, y0) + (value(x1, y0) - value(x0, y0)) * fx;
    const float below = value(x0, y1) + (value(x1, y1) - value(x0, y1)) * fx;
    return above + (below - above) * fy;
  };
  const float red = colors_.bt709 ? 0.2126F : 0.299F;
  const float blue = colors_.bt709 ? 0.0722F : 0.114F;
  const float lumaScale = colors_.fullRange ? 1 : 219.0F / 255;
  const float chromaScale = colors_.fullRange ? 1 : 224.0F / 255;
  const float offset = colors_.fullRange ? 0 : 16;
  const std::size_t halfWidth = (size_.width + 1) / 2;
  const auto byte = [](float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F)); };
  for (std::size_t y = 0; y < size_.height; ++y)
    for (std::size_t x = 0; x < size_.width; ++x) {
      const std::array<float, 3> rgb = {color(x, y, 0), color(x, y, 1), color(x, y, 2)};
      const float luma = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2];
      cut_[0][y * size_.width + x] = byte(luma * lumaScale + offset);
      if (x % 2 != 0 || y % 2 != 0) continue;
      const std::size_t at = y / 2 * halfWidth + x / 2;
      cut_[1][at] = byte((rgb[2] - luma) / (2 - 2 * blue) * chromaScale + 128);
      cut_[2][at] = byte((rgb[0] - luma) / (2 - 2 * red) * chromaScale + 128);
    }
  cutFits_ = true;
}

// --- Out -------------------------------------------------------------------------------------------------------------

namespace {

// 0..256, eight pixels of it.
Short8 alphaOf(Short8 slope, Short8 offset, Short8 luma) {
  return least(most(multiply15(slope, luma << 7) + (offset >> 2), splat8(0)), splat8(256));
}
// part * alpha / 256; all of it at 256.
Short8 shareOf(Short8 part, Short8 alpha) {
  const auto bits = (UShort8)alpha;
  return multiply15(part, (Short8)((bits << 7) - (bits >> 8)));
}

// Eight pixels in front of what is shown instead of the room.
struct Behind {
  const std::int16_t* room;     // with kFraction bits
  const std::uint8_t* picture;  // instead of it, or null
};
void mix8(const std::uint8_t* in, Short8 alpha, const Behind& behind, std::size_t x, std::uint8_t* out) {
  const Short8 own = widen8(in);
  const Short8 room = get8(behind.room + x) >> kFraction;
  if (behind.picture == nullptr) {
    narrow8(out, room + shareOf(own - room, alpha));
    return;
  }
  // A pixel at an edge has some of the room in its colour: that is taken out, as far as it is known.
  const Short8 clean = own + shareOf(own - room, splat8(256) - alpha);
  const Short8 picture = widen8(behind.picture + x);
  narrow8(out, picture + shareOf(least(most(clean, splat8(0)), splat8(255)) - picture, alpha));
}

// `count` times, eight at once; planes end where they end, so the last ones come by way of a copy.
template <typename Work>
void eights(std::size_t count, const std::uint8_t* in, std::uint8_t* out, const Work& work) {
  std::size_t x = 0;
  for (; x + 8 <= count; x += 8) work(x, in + x, out + x);
  if (x == count) return;
  std::array<std::uint8_t, 8> from{};
  std::array<std::uint8_t, 8> to{};
  std::copy_n(in + x, count - x, from.data());
  work(x, from.data(), to.data());
  std::copy_n(to.data(), count - x, out + x);
}

}  // namespace

void Compositor::Impl::composeLuma(bool image, std::size_t y, const std::uint8_t* in, std::uint8_t* out,
                                   std::int16_t* alphas) {
  std::int16_t* slopes = wideRows_[0].data();
  std::int16_t* offsets = wideRows_[1].data();
  std::int16_t* backgrounds = wideRows_[2].data();
  luma_.row(slope_.data(), small_, y, narrowRow_.data(), slopes);
  luma_.row(offset_.data(), small_, y, narrowRow_.data(), offsets);
  lumaOfTiny_.row(background_[0].data(), tiny_, y, narrowRow_.data(), backgrounds);
  const Behind behind{backgrounds, image ? cut_[0].data() + y * size_.width : nullptr};
  eights(size_.width, in, out, [&](std::size_t x, const std::uint8_t* from, std::uint8_t* to) {
    const Short8 alpha = alphaOf(get8(slopes + x), get8(offsets + x), widen8(from));
    put8(alphas + x, alpha);
    mix8(from, alpha, behind, x, to);
  });
}

void Compositor::Impl::composeChroma(std::size_t plane, bool image, std::size_t y, const std::uint8_t* in,
                                     std::uint8_t* out) {
  auto& wide = wideRows_[2];
  chromaOfTiny_.row(background_[plane].data(), tiny_, y, narrowRow_.data(), wide.data());
  const std::size_t width = (size_.width + 1) / 2;
  const Behind behind{wide.data(), image ? cut_[plane].data() + y * width : nullptr};
  eights(width, in, out, [&](std::size_t x, const std::uint8_t* from, std::uint8_t* to) {
    mix8(from, get8(&chromaAlphas_[x]), behind, x, to);
  });
}

// Of the four pixels that share a colour.
void Compositor::Impl::meanAlphas() {
  const auto& [above, below] = alphaRows_;
  for (std::size_t x = 0; x < (size_.width + 1) / 2; ++x)
    chromaAlphas_[x] =
        static_cast<std::int16_t>((above[2 * x] + above[2 * x + 1] + below[2 * x] + below[2 * x + 1] + 2) >> 2);
}

void Compositor::Impl::compose(Effect effect, const Frame& out) {
  if (size_.width == 0) return;
  // In parts of the longer side: the same to the eye at any size.
  const auto radius = [this](std::size_t parts) {
    return std::max<std::size_t>(1, std::max(tiny_.width, tiny_.height) / parts);
  };
  if (covered) {
    std::ranges::fill(slope_, std::int16_t{0});
    std::ranges::fill(offset_, std::int16_t{0});
    blur(true, radius(20));
  } else {
    blur(false, effect == Effect::kBlurLight ? radius(80) : radius(32));
  }
  const bool image = !covered && effect == Effect::kImage && imageSize_.width != 0;
  if (image && !cutFits_) cutImage();
  for (std::size_t y = 0; y < size_.height; ++y) {
    auto& alphas = alphaRows_[y % 2];
    composeLuma(image, y, in_.planes[0] + y * in_.strides[0], out.planes[0] + y * out.strides[0], alphas.data());
    const bool last = y + 1 == size_.height;
    if (size_.width % 2 != 0) alphas[size_.width] = alphas[size_.width - 1];
    if (y % 2 == 0 && !last) continue;
    if (y % 2 == 0) std::ranges::copy(alphas, alphaRows_[1].begin());
    meanAlphas();
    for (std::size_t plane = 1; plane < kPlanes; ++plane)
      composeChroma(plane, image, y / 2, in_.planes[plane] + y / 2 * in_.strides[plane],
                    out.planes[plane] + y / 2 * out.strides[plane]);
  }
}

void Compositor::Impl::showMatte(std::span<std::uint8_t> out) const {
  if (out.size() != size_.area()) return;
  std::vector<std::int16_t> narrow(small_.width + 16);
  std::vector<std::int16_t> slopes((small_.width + 2) * factor_ + 32);
  std::vector<std::int16_t> offsets(slopes.size());
  for (std::size_t y = 0; y < size_.height; ++y) {
    luma_.row(slope_.data(), small_, y, narrow.data(), slopes.data());
    luma_.row(offset_.data(), small_, y, narrow.data(), offsets.data());
    const std::uint8_t* in = in_.planes[0] + y * in_.strides[0];
    eights(size_.width, in, out.data() + y * size_.width,
           [&](std::size_t x, const std::uint8_t* from, std::uint8_t* to) {
             const Short8 alpha = alphaOf(get8(&slopes[x]), get8(&offsets[x]), widen8(from));
             narrow8(to, alpha - (alpha >> 8));
           });
  }
}

// --- Outside ---------------------------------------------------------------------------------------------------------

Compositor::Compositor() : impl_(std::make_unique<Impl>()) {}
Compositor::~Compositor() = default;

bool Compositor::open(std::size_t width, std::size_t height) { return impl_->open(width, height); }
void Compositor::frame(const ConstFrame& in, const Colors& colors, Turn turn) { impl_->frame(in, colors, turn); }
void Compositor::picture(std::size_t width, std::size_t height, std::span<float> rgb) {
  impl_->picture(width, height, rgb);
}
float Compositor::change() const { return impl_->change; }
void Compositor::matte(std::size_t width, std::size_t height, std::span<const float> person, bool steady) {
  impl_->matte(width, height, person, steady);
}
void Compositor::cover() { impl_->forget(); }
bool Compositor::covered() const { return impl_->covered; }
bool Compositor::image(std::span<const std::uint8_t> rgba, std::size_t width, std::size_t height) {
  return impl_->image(rgba, width, height);
}
void Compositor::compose(Effect effect, const Frame& out) { impl_->compose(effect, out); }
void Compositor::showMatte(std::span<std::uint8_t> out) const { impl_->showMatte(out); }

}  // namespace siegel::matte
