#include "siegel/replay.h"

namespace siegel {

void IvWindow::reset() {
  table_.fill(kEmpty);
  next_ = 0;
  count_ = 0;
  floor_ = 0;
  latest_ = 0;
  hasFloor_ = false;
}

void IvWindow::resetAbove(std::uint32_t floor) {
  reset();
  floor_ = floor;
  latest_ = floor;
  hasFloor_ = true;
}

std::size_t IvWindow::home(std::uint32_t timestamp, std::uint32_t word) {
  std::uint32_t h = timestamp * 0x9E3779B1U;
  h ^= word * 0x85EBCA6BU;
  h ^= h >> 15;
  h *= 0x2C1B3C6DU;
  return (h >> 16) % kSlots;
}

std::size_t IvWindow::find(std::uint32_t timestamp, std::uint32_t word) const {
  for (std::size_t slot = home(timestamp, word); table_[slot] != kEmpty; slot = (slot + 1) % kSlots) {
    const Entry& entry = entries_[table_[slot]];
    if (entry.timestamp == timestamp && entry.word == word) return slot;
  }
  return kSlots;
}

bool IvWindow::check(std::uint32_t timestamp, std::uint32_t word) const {
  if (hasFloor_ && !laterThan(timestamp, floor_)) return false;
  return find(timestamp, word) == kSlots;
}

// Linear probing with backward shift: no tombstones, so probes stay short for ever.
void IvWindow::erase(std::size_t slot) {
  std::size_t hole = slot;
  for (std::size_t next = (hole + 1) % kSlots; table_[next] != kEmpty; next = (next + 1) % kSlots) {
    const Entry& entry = entries_[table_[next]];
    const std::size_t wanted = home(entry.timestamp, entry.word);
    // May move into the hole unless its home lies cyclically after the hole.
    if ((next - wanted) % kSlots >= (next - hole) % kSlots) {
      table_[hole] = table_[next];
      hole = next;
    }
  }
  table_[hole] = kEmpty;
}

void IvWindow::record(std::uint32_t timestamp, std::uint32_t word) {
  if ((count_ == 0 && !hasFloor_) || laterThan(timestamp, latest_)) latest_ = timestamp;
  if (count_ == kIvWindow) {
    const Entry& oldest = entries_[next_];
    if (!hasFloor_ || laterThan(oldest.timestamp, floor_)) floor_ = oldest.timestamp;
    hasFloor_ = true;
    erase(find(oldest.timestamp, oldest.word));
  } else {
    ++count_;
  }
  entries_[next_] = {timestamp, word};
  std::size_t slot = home(timestamp, word);
  while (table_[slot] != kEmpty) slot = (slot + 1) % kSlots;
  table_[slot] = static_cast<std::uint16_t>(next_);
  next_ = (next_ + 1) % kIvWindow;
}

void CtrWindow::reset() {
  seen_.fill(0);
  highest_ = 0;
  any_ = false;
}

bool CtrWindow::check(std::uint64_t counter) const {
  if (!any_ || counter > highest_) return true;
  if (highest_ - counter >= kBits) return false;
  return (seen_[(counter % kBits) / 64] >> (counter % 64) & 1) == 0;
}

void CtrWindow::record(std::uint64_t counter) {
  if (!any_ || counter > highest_) {
    const std::uint64_t gap = any_ ? counter - highest_ : kBits;
    if (gap >= kBits) {
      seen_.fill(0);
    } else {
      for (std::uint64_t c = highest_ + 1; c != counter; ++c) seen_[(c % kBits) / 64] &= ~(1ULL << (c % 64));
    }
    highest_ = counter;
    any_ = true;
  }
  seen_[(counter % kBits) / 64] |= 1ULL << (counter % 64);
}

}  // namespace siegel
