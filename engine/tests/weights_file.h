// A weights file in memory: what set-up writes (siegel/weights.h has the layout), for tests that then damage it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "siegel/weights.h"

namespace siegel {

class WeightsFile {
 public:
  void add(std::string name, Kind kind, Shape shape, std::vector<std::uint8_t> values,
           std::vector<std::uint8_t> scales = {}) {
    entries_.push_back({std::move(name), kind, shape, std::move(values), std::move(scales)});
  }

  // Of what was added.
  void write() {
    std::size_t end = up(tableEnd());
    for (const Entry& entry : entries_) end += up(entry.values.size()) + up(entry.scales.size());
    lines_.assign(end / kAlign, {});
    for (const auto& [at, value] : {std::pair{0U, 0x444c4753U}, {4U, 2U}}) put(at, value);
    put(8, static_cast<std::uint32_t>(entries_.size()));
    put(12, static_cast<std::uint32_t>(end));
    std::size_t at = up(tableEnd());
    const auto place = [&](const std::vector<std::uint8_t>& bytes) {
      const std::size_t here = at;
      if (!bytes.empty()) std::memcpy(writable().data() + at, bytes.data(), bytes.size());
      at += up(bytes.size());
      return static_cast<std::uint32_t>(bytes.empty() ? 0 : here);
    };
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      const auto& [name, kind, shape, values, scales] = entries_[index];
      const std::size_t head = entryAt(index);
      std::memcpy(writable().data() + head, name.data(), name.size());
      put(head + 16, static_cast<std::uint32_t>(kind));
      put(head + 20, shape.groups);
      put(head + 24, shape.outer);
      put(head + 28, shape.channels);
      put(head + 32, shape.inner);
      put(head + 36, place(values));
      put(head + 40, place(scales));
    }
  }

  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    return {reinterpret_cast<const std::uint8_t*>(lines_.data()), lines_.size() * kAlign};
  }
  std::span<std::uint8_t> writable() {
    return {reinterpret_cast<std::uint8_t*>(lines_.data()), lines_.size() * kAlign};
  }
  void put(std::size_t at, std::uint32_t value) { std::memcpy(writable().data() + at, &value, sizeof value); }

  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  static std::size_t entryAt(std::size_t index) { return 16 + index * 48; }
  [[nodiscard]] std::size_t tableEnd() const { return entryAt(entries_.size()); }
  // Values of a tensor.
  std::uint8_t* place(const std::string& name) {
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      if (entries_[index].name != name) continue;
      std::uint32_t at = 0;
      std::memcpy(&at, writable().data() + entryAt(index) + 36, sizeof at);
      return writable().data() + at;
    }
    return nullptr;
  }

 private:
  static constexpr std::size_t kAlign = 16;
  static std::size_t up(std::size_t value) { return (value + kAlign - 1) / kAlign * kAlign; }
  struct alignas(kAlign) Line {
    std::array<std::uint8_t, kAlign> bytes;
  };
  struct Entry {
    std::string name;
    Kind kind;
    Shape shape;
    std::vector<std::uint8_t> values;
    std::vector<std::uint8_t> scales;
  };
  std::vector<Entry> entries_;
  std::vector<Line> lines_;
};

// The bytes of numbers.
template <typename Number>
std::vector<std::uint8_t> bytesOf(const std::vector<Number>& numbers) {
  std::vector<std::uint8_t> bytes(numbers.size() * sizeof(Number));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

}  // namespace siegel
