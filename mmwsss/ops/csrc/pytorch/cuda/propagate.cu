// Licensed under Apache-2.0.
#include "propagate.cuh"

namespace mmwsss {

template cudaError_t propagate(const float*, const float*, float*, float*,
                               const MapSize&, const std::vector<int64_t>&, int64_t,
                               cudaStream_t);
template cudaError_t propagate(const double*, const double*, double*, double*,
                               const MapSize&, const std::vector<int64_t>&, int64_t,
                               cudaStream_t);

}  // namespace mmwsss
