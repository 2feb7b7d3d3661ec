// Licensed under Apache-2.0.
//
// Rows of channels in vector registers. GCC and Clang turn the vector types
// below into whatever the processor has; lanes never meet, so that every width
// of registers gives the same bits.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__GNUC__) && defined(__x86_64__)
#define MMWSSS_AVX2 1
#endif

namespace mmwsss::cpu {

constexpr int kLanes = 8;
constexpr int kMaxOctets = 4;  // of a row: what the registers hold

// `octets` times eight channels.
template <typename T, int octets>
class Row {
 public:
  static constexpr int kWidth = octets * kLanes;

  void zero() {
    for (int o = 0; o < octets; ++o) lanes_[o] = Lanes{};
  }
  void load(const T* from) {
    for (int o = 0; o < octets; ++o) lanes_[o] = at(from, o);
  }
  void add(const T* from) {
    for (int o = 0; o < octets; ++o) lanes_[o] += at(from, o);
  }
  void add_scaled(const T* from, T factor) {
    for (int o = 0; o < octets; ++o) lanes_[o] += at(from, o) * factor;
  }
  void scale(T factor) {
    for (int o = 0; o < octets; ++o) lanes_[o] *= factor;
  }
  void store(T* to) const { std::memcpy(to, lanes_, sizeof(lanes_)); }
  // The first `channels` alone, which end in the last octet.
  void store_first(T* to, int64_t channels) const {
    constexpr int kBefore = (octets - 1) * kLanes;
    std::memcpy(to, lanes_, kBefore * sizeof(T));
    for (int64_t c = kBefore; c < channels; ++c) {
      to[c] = lanes_[octets - 1][c - kBefore];
    }
  }

 private:
  typedef T Lanes __attribute__((vector_size(kLanes * sizeof(T))));
  typedef T Unaligned
      __attribute__((vector_size(kLanes * sizeof(T)), aligned(sizeof(T)), may_alias));

  static const Unaligned& at(const T* from, int octet) {
    return reinterpret_cast<const Unaligned*>(from)[octet];
  }

  Lanes lanes_[octets];
};

#ifdef MMWSSS_AVX2
template <typename F>
__attribute__((target("avx2"), flatten)) void run_with_avx2(const F& f) {
  f();
}
#endif

// Runs f(), compiled for the widest vectors that this processor has.
template <typename F>
void with_wide_vectors(const F& f) {
#ifdef MMWSSS_AVX2
  static const bool there = __builtin_cpu_supports("avx2");
  if (there) return run_with_avx2(f);
#endif
  f();
}

// f(std::integral_constant<int, octets>) for 1 <= octets <= kMaxOctets.
template <typename F>
void with_octets(int octets, const F& f) {
  switch (octets) {
    case 1: return f(std::integral_constant<int, 1>());
    case 2: return f(std::integral_constant<int, 2>());
    case 3: return f(std::integral_constant<int, 3>());
    default: return f(std::integral_constant<int, 4>());
  }
}

}  // namespace mmwsss::cpu
