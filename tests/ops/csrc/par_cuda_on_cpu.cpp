// Licensed under Apache-2.0.
//
// The CUDA code of PAR compiled without nvcc: its kernels run as plain loops.
#include "par_affinity.cuh"
#include "propagate.cuh"

using mmwsss::ImageSize;
using mmwsss::MapSize;

#define MMWSSS_PAR(suffix, T)                                                     \
  extern "C" int par_affinity_##suffix(                                           \
      const T* image, T* inverse, T* affinity, int64_t batch, int64_t channels,   \
      int height, int width, const int64_t* dilations, int64_t count, double w1,  \
      double w2) {                                                                \
    const ImageSize size{batch, channels, height, width};                         \
    return mmwsss::par_affinity(image, inverse, affinity, size,                   \
                                {dilations, dilations + count}, w1, w2, nullptr); \
  }                                                                               \
  extern "C" int propagate_##suffix(                                              \
      const T* weights, const T* maps, T* scratch, T* result, int64_t batch,      \
      int64_t channels, int64_t neighbours, int height, int width,                \
      const int64_t* offsets, int64_t num_iters) {                                \
    const MapSize size{batch, channels, neighbours, height, width};               \
    return mmwsss::propagate(weights, maps, scratch, result, size,                \
                             {offsets, offsets + 2 * neighbours}, num_iters,      \
                             nullptr);                                            \
  }

MMWSSS_PAR(float, float)
MMWSSS_PAR(double, double)
