#include "siegel/matte/background.h"

#include <algorithm>

namespace siegel::matte {
namespace {

constexpr std::size_t kModelEdge = 256;
constexpr std::size_t kModelPixels = kModelEdge * kModelEdge;
// Below this no block of 8 x 8 pixels of the model's picture moved more than noise does.
constexpr float kStill = 0.012F;
// Half a second at 30 frames: what crept by below the limit is seen then.
constexpr std::size_t kMostReused = 15;

std::size_t sizeOf(std::size_t width, std::size_t height) {
  return width * height + 2 * ((width + 1) / 2) * ((height + 1) / 2);
}

}  // namespace

WeightsError Background::load(Model model, std::span<const std::uint8_t> weights) {
  compositor_.cover();
  picture_.resize(3 * kModelPixels);
  person_.resize(kModelPixels);
  return (model == Model::kSquare ? square_ : wide_).load(model, weights);
}

void Background::setExact(bool exact) {
  wide_.setExact(exact);
  square_.setExact(exact);
}

bool Background::open(std::size_t width, std::size_t height) {
  width_ = height_ = 0;
  frame_.clear();
  other_.clear();
  output_.clear();
  reused_ = 0;
  if (!compositor_.open(width, height)) return false;
  width_ = width;
  height_ = height;
  frame_.resize(sizeOf(width, height));
  output_.resize(sizeOf(width, height));
  return true;
}

std::span<std::uint8_t> Background::input(Layout layout) {
  if (width_ == 0 || layout == Layout::kI420) return frame_;
  const std::size_t size = layout == Layout::kNv12 ? frame_.size() : 4 * width_ * height_;
  if (other_.size() < size) other_.resize(size);
  return std::span(other_).first(size);
}

bool Background::see(Layout layout, const Colors& colors, Turn turn) {
  if (width_ == 0) return false;
  const std::size_t across = (width_ + 1) / 2;
  const std::size_t down = (height_ + 1) / 2;
  std::uint8_t* y = frame_.data();
  std::uint8_t* u = y + width_ * height_;
  std::uint8_t* v = u + across * down;
  const std::uint8_t* luma = y;
  Colors meant = colors;
  if (layout == Layout::kNv12) {
    if (other_.size() < frame_.size()) return false;
    luma = other_.data();
    const std::uint8_t* pairs = other_.data() + width_ * height_;
    for (std::size_t i = 0; i < across * down; ++i) {
      u[i] = pairs[2 * i];
      v[i] = pairs[2 * i + 1];
    }
  } else if (layout != Layout::kI420) {
    if (other_.size() < 4 * width_ * height_) return false;
    // BT.601, 16..235, which the output is told to be.
    meant = {};
    const std::size_t red = layout == Layout::kRgba ? 0 : 2;
    for (std::size_t row = 0; row < height_; ++row)
      for (std::size_t x = 0; x < width_; ++x) {
        const std::uint8_t* pixel = other_.data() + 4 * (row * width_ + x);
        const int r = pixel[red];
        const int g = pixel[1];
        const int b = pixel[2 - red];
        y[row * width_ + x] = static_cast<std::uint8_t>(((66 * r + 129 * g + 25 * b + 128) >> 8) + 16);
        if (row % 2 != 0 || x % 2 != 0) continue;
        const std::size_t at = row / 2 * across + x / 2;
        u[at] = static_cast<std::uint8_t>(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128);
        v[at] = static_cast<std::uint8_t>(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128);
      }
  }
  compositor_.frame({{luma, u, v}, {width_, across, across}}, meant, turn);
  const bool high = swapsSides(turn) ? width_ > height_ : height_ > width_;
  Segmenter* chosen = high && square_.ready() ? &square_ : &wide_;
  if (chosen != chosen_) compositor_.cover();
  chosen_ = chosen;
  if (!chosen_->ready()) return true;
  compositor_.picture(chosen_->width(), chosen_->height(),
                      std::span(picture_).first(3 * chosen_->width() * chosen_->height()));
  return true;
}

Judged Background::judge(bool rarely) {
  if (width_ == 0 || chosen_ == nullptr || !chosen_->ready()) {
    compositor_.cover();
    return Judged::kCovered;
  }
  const std::size_t pixels = chosen_->width() * chosen_->height();
  const bool still = compositor_.change() < kStill && reused_ < kMostReused;
  const bool others = rarely && reused_ == 0;
  if (!compositor_.covered() && (still || others)) {
    ++reused_;
    // The same people; their edges are this frame's.
    compositor_.matte(chosen_->width(), chosen_->height(), std::span(person_).first(pixels), true);
    return Judged::kReused;
  }
  reused_ = 0;
  chosen_->run(std::span(picture_).first(3 * pixels), std::span(person_).first(pixels));
  compositor_.matte(chosen_->width(), chosen_->height(), std::span(person_).first(pixels), true);
  return Judged::kFresh;
}

bool Background::compose(Effect effect) {
  if (width_ == 0) return false;
  const std::size_t across = (width_ + 1) / 2;
  const std::size_t down = (height_ + 1) / 2;
  std::uint8_t* y = output_.data();
  std::uint8_t* u = y + width_ * height_;
  compositor_.compose(effect, {{y, u, u + across * down}, {width_, across, across}});
  return true;
}

bool Background::run(Model model) {
  Segmenter& segmenter = model == Model::kSquare ? square_ : wide_;
  if (!segmenter.ready()) return false;
  const std::size_t pixels = segmenter.width() * segmenter.height();
  segmenter.run(std::span(picture_).first(3 * pixels), std::span(person_).first(pixels));
  return true;
}

void Background::cover() {
  reused_ = 0;
  compositor_.cover();
}

}  // namespace siegel::matte
