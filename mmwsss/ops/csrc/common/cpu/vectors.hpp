// Licensed under Apache-2.0.
//
// Vector registers in standard arithmetic. GCC and Clang turn vector types into
// whatever the processor has; lanes never meet and nothing is contracted, so
// that every width of registers gives the same bits.
#pragma once

#include <cstring>

#if defined(__GNUC__) && defined(__x86_64__)
#include <xmmintrin.h>
#define MMWSSS_AVX2 1
#endif
#define MMWSSS_INLINE inline __attribute__((always_inline))

namespace mmwsss::cpu {

#ifdef MMWSSS_AVX2
template <typename F>
__attribute__((target("avx2"), flatten)) void run_with_avx2(const F& f) {
  f();
}
#endif

// While it lives, numbers below 1e-38 count as 0 in this thread. Products of
// small probabilities and small weights are full of them, and each would cost
// a processor more than a hundred cycles.
class FlushDenormals {
 public:
#ifdef MMWSSS_AVX2
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;

 private:
  const unsigned before_;
#endif
};

// Runs f(), compiled for the widest vectors that this processor has.
template <typename F>
void with_wide_vectors(const F& f) {
  const FlushDenormals flush;
#ifdef MMWSSS_AVX2
  static const bool there = __builtin_cpu_supports("avx2");
  if (there) return run_with_avx2(f);
#endif
  f();
}

// 32 bytes of T: one AVX2 register, or two of 16 bytes.
template <typename T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(32)));
};
template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(32)));
};

// V is a vector, or T itself for what a vector doesn't fit into.
template <typename V, typename T>
MMWSSS_INLINE void load(V& vector, const T* from) {
  std::memcpy(&vector, from, sizeof(V));
}

template <typename V, typename T>
MMWSSS_INLINE void store(T* to, const V& vector) {
  std::memcpy(to, &vector, sizeof(V));
}

}  // namespace mmwsss::cpu
