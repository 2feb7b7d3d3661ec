// Licensed under Apache-2.0.
//
// Vector registers in standard arithmetic. Functions marked MMWSSS_CLONES are
// compiled for AVX2 too, where the compiler knows how; without contraction both
// give the same bits. What they call must be MMWSSS_INLINE.
#pragma once

#include <cstring>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
    defined(__linux__)
#define MMWSSS_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MMWSSS_CLONES
#endif
#define MMWSSS_INLINE inline __attribute__((always_inline))

namespace mmwsss {

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

}  // namespace mmwsss
