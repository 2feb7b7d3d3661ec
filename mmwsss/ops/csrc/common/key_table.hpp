// Licensed under Apache-2.0.
//
// Numbers 64-bit keys in the order of their first appearance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mmwsss::cpu {

// Open addressing with linear probing; at most half of the places are taken.
class KeyTable {
 public:
  explicit KeyTable(int bits = 12) { resize(bits); }

  // Number of the key, a new one if it isn't there.
  int32_t add(int64_t key) {
    size_t place = find_place(key);
    if (places_[place].number < 0) {
      if (2 * keys_.size() >= places_.size()) {
        resize(bits_ + 1);
        place = find_place(key);
      }
      places_[place] = {key, static_cast<int32_t>(keys_.size())};
      keys_.push_back(key);
    }
    return places_[place].number;
  }

  // Number of the key, -1 if it isn't there.
  int32_t find(int64_t key) const { return places_[find_place(key)].number; }

  // All keys by number.
  const std::vector<int64_t>& keys() const { return keys_; }

 private:
  struct Place {
    int64_t key;
    int32_t number;
  };

  size_t find_place(int64_t key) const {
    // Fibonacci hashing: neighbouring keys are spread over the table.
    const uint64_t mixed = static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15ull;
    const size_t mask = places_.size() - 1;
    size_t place = static_cast<size_t>(mixed >> (64 - bits_));
    while (places_[place].number >= 0 && places_[place].key != key) {
      place = (place + 1) & mask;
    }
    return place;
  }

  void resize(int bits) {
    bits_ = bits;
    places_.assign(size_t{1} << bits, Place{0, -1});
    for (size_t i = 0; i < keys_.size(); ++i) {
      places_[find_place(keys_[i])] = {keys_[i], static_cast<int32_t>(i)};
    }
  }

  int bits_;
  std::vector<Place> places_;
  std::vector<int64_t> keys_;
};

}  // namespace mmwsss::cpu
