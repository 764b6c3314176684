#include "matte/planes.h"

#include <algorithm>
#include <cmath>

namespace siegel::matte {
namespace {

// Of blocks of kFactor sums (0: `factor`); `scale` is 65536 divided by the pixels of a block.
template <std::size_t kFactor>
void meanOfBlocks(const std::uint16_t* sums, std::size_t blocks, std::size_t factor, std::uint32_t scale,
                  std::uint8_t* out) {
  const std::size_t each = kFactor == 0 ? factor : kFactor;
  for (std::size_t x = 0; x < blocks; ++x) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < each; ++i) sum += sums[x * each + i];
    out[x] = static_cast<std::uint8_t>((sum * scale + 0x8000U) >> 16U);
  }
}

// Up to here adding up all of them is quicker than running sums, which wait for each other.
constexpr std::size_t kFewTaps = 5;

void alongRows(const float* in, Extent size, std::size_t radius, float share, float* line, float* out) {
  const std::size_t width = size.width;
  for (std::size_t y = 0; y < size.height; ++y) {
    const float* from = in + y * width;
    std::fill_n(line, radius, from[0]);
    std::copy_n(from, width, line + radius);
    std::fill_n(line + radius + width, radius, from[width - 1]);
    float* to = out + y * width;
    for (std::size_t x = 0; x < width; x += kLanes) {
      F4 sum = get4(line + x);
      for (std::size_t i = 1; i <= 2 * radius; ++i) sum += get4(line + x + i);
      put4(to + x, sum * splat(share));
    }
  }
}

// Four rows at once.
void alongRowsRunning(const float* in, Extent size, std::size_t radius, float share, float* room) {
  const auto [width, height] = size;
  const auto edge = static_cast<float>(radius + 1);
  constexpr std::size_t kRows = 4;
  for (std::size_t y = 0; y < height; y += kRows) {
    const std::size_t rows = std::min(kRows, height - y);
    std::array<const float*, kRows> from;
    std::array<float, kRows> sums;
    for (std::size_t i = 0; i < kRows; ++i) {
      from[i] = in + (y + std::min(i, rows - 1)) * width;
      sums[i] = from[i][0] * edge;
      for (std::size_t x = 1; x <= radius; ++x) sums[i] += from[i][std::min(x, width - 1)];
    }
    for (std::size_t x = 0; x < width; ++x) {
      const std::size_t enters = std::min(x + radius + 1, width - 1);
      const std::size_t leaves = x > radius ? x - radius : 0;
      for (std::size_t i = 0; i < kRows; ++i) {
        if (i < rows) room[(y + i) * width + x] = sums[i] * share;
        sums[i] += from[i][enters] - from[i][leaves];
      }
    }
  }
}

}  // namespace

void reduce(const std::uint8_t* in, std::size_t stride, Extent size, std::size_t factor, std::uint16_t* sums,
            std::uint8_t* out) {
  const std::size_t blocks = size.width / factor;
  const std::size_t rest = size.width % factor;
  for (std::size_t top = 0; top < size.height; top += factor) {
    const std::size_t rows = std::min(factor, size.height - top);
    const std::uint8_t* row = in + top * stride;
    for (std::size_t x = 0; x < size.width; ++x) sums[x] = row[x];
    for (std::size_t i = 1; i < rows; ++i) {
      row += stride;
      for (std::size_t x = 0; x < size.width; ++x) sums[x] = static_cast<std::uint16_t>(sums[x] + row[x]);
    }
    const auto scale = [rows](std::size_t columns) { return static_cast<std::uint32_t>(0x10000U / (rows * columns)); };
    if (factor == 2)
      meanOfBlocks<2>(sums, blocks, factor, scale(factor), out);
    else if (factor == 4)
      meanOfBlocks<4>(sums, blocks, factor, scale(factor), out);
    else
      meanOfBlocks<0>(sums, blocks, factor, scale(factor), out);
    out += blocks;
    if (rest == 0) continue;
    meanOfBlocks<0>(sums + blocks * factor, 1, rest, scale(rest), out);
    ++out;
  }
}

void makeAxis(std::size_t from, std::size_t to, std::size_t step, bool reversed, std::span<Tap> axis) {
  const float ratio = static_cast<float>(from) / static_cast<float>(to);
  const auto last = static_cast<float>(from - 1);
  for (std::size_t i = 0; i < to; ++i) {
    const float place = std::clamp((static_cast<float>(i) + 0.5F) * ratio - 0.5F, 0.0F, last);
    const float at = reversed ? last - place : place;
    const auto low = static_cast<std::size_t>(at);
    const std::size_t high = std::min(low + 1, from - 1);
    axis[i] = {static_cast<std::uint32_t>(low * step), static_cast<std::uint32_t>(high * step),
               at - static_cast<float>(low)};
  }
}

void box(const float* in, Extent size, std::size_t radius, float* room, float* line, float* out) {
  const auto [width, height] = size;
  const float share = 1.0F / static_cast<float>(2 * radius + 1);
  const auto edge = static_cast<float>(radius + 1);
  if (radius <= kFewTaps)
    alongRows(in, size, radius, share, line, room);
  else
    alongRowsRunning(in, size, radius, share, room);
  // Along columns, a row at a time.
  const auto row = [&](std::size_t y) { return room + std::min(y, height - 1) * width; };
  for (std::size_t x = 0; x < width; ++x) line[x] = room[x] * edge;
  for (std::size_t i = 1; i <= radius; ++i)
    for (std::size_t x = 0; x < width; ++x) line[x] += row(i)[x];
  for (std::size_t y = 0; y < height; ++y) {
    const float* enters = row(y + radius + 1);
    const float* leaves = row(y > radius ? y - radius : 0);
    float* to = out + y * width;
    for (std::size_t x = 0; x < width; x += kLanes) {
      const F4 sum = get4(line + x);
      put4(to + x, sum * splat(share));
      put4(line + x, sum + get4(enters + x) - get4(leaves + x));
    }
  }
}

Enlarger::Enlarger(std::size_t factor) : factor_(factor) {
  // Middles: of an even factor they lie between the pixels of the result.
  const float first = factor % 2 == 0 ? 0.5F : 0;
  for (std::size_t k = 0; k < kMost; ++k)
    shares_[k] = static_cast<std::int16_t>(
        std::min(std::lround(32768 * (static_cast<float>(k) + first) / static_cast<float>(factor)), 32767L));
}

void Enlarger::row(const std::int16_t* in, Extent size, std::size_t y, std::int16_t* line, std::int16_t* wide) const {
  const auto [width, height] = size;
  const std::size_t half = factor_ / 2;
  // The two rows of the small plane that this one lies between.
  const std::size_t above = y < half ? 0 : std::min((y - half) / factor_, height - 1);
  const std::size_t below = y < half ? 0 : std::min(above + 1, height - 1);
  const std::int16_t share = y < half ? std::int16_t{0} : shares_[(y - half) % factor_];
  const std::int16_t* first = in + above * width;
  const std::int16_t* second = in + below * width;
  std::size_t x = 0;
  for (; x + 8 <= width; x += 8) {
    const Short8 from = get8(first + x);
    put8(line + x, from + multiply15(get8(second + x) - from, splat8(share)));
  }
  for (; x < width; ++x)
    line[x] = static_cast<std::int16_t>(first[x] + (((std::int32_t{second[x]} - first[x]) * share + 0x4000) >> 15));
  if (factor_ == 1) {
    std::copy_n(line, width, wide);
    return;
  }
  for (std::size_t k = 0; k < half; ++k) wide[k] = line[0];
  std::int16_t* to = wide + half;
  const Short8 low = get8(shares_.data());
  if (factor_ <= 8) {
    // More than the factor is written, and overwritten by the next one.
    for (x = 0; x < width; ++x, to += factor_) {
      const std::int16_t from = line[x];
      const auto change = static_cast<std::int16_t>(line[std::min(x + 1, width - 1)] - from);
      put8(to, splat8(from) + multiply15(splat8(change), low));
    }
    return;
  }
  for (x = 0; x < width; ++x, to += factor_) {
    const std::int16_t from = line[x];
    const Short8 change = splat8(static_cast<std::int16_t>(line[std::min(x + 1, width - 1)] - from));
    for (std::size_t k = 0; k < factor_; k += 8) put8(to + k, splat8(from) + multiply15(change, get8(&shares_[k])));
  }
}

}  // namespace siegel::matte
