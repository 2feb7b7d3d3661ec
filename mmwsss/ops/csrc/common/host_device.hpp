// Licensed under Apache-2.0.
//
// Marks functions that CUDA kernels and C++ share.
#pragma once

#ifndef MMWSSS_HD
#ifdef __CUDACC__
#define MMWSSS_HD __host__ __device__ __forceinline__
#else
#define MMWSSS_HD inline
#endif
#endif
