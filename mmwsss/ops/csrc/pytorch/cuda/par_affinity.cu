// Licensed under Apache-2.0.
#include "par_affinity.cuh"

namespace mmwsss {

template cudaError_t par_affinity(const float*, float*, float*, const ImageSize&,
                                  const std::vector<int64_t>&, double, double,
                                  cudaStream_t);
template cudaError_t par_affinity(const double*, double*, double*, const ImageSize&,
                                  const std::vector<int64_t>&, double, double,
                                  cudaStream_t);

}  // namespace mmwsss
