// Licensed under Apache-2.0.
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <vector>

#include "lattice_glue.hpp"
#include "lattice_launch.hpp"

namespace mmwsss::gpu {
namespace {

std::vector<LatticeHolder> hold(at::TensorList lattices, const Tensor& unary) {
  std::vector<LatticeHolder> holders;
  for (size_t i = 0; i + 6 <= lattices.size(); i += 6) {
    TORCH_CHECK(lattices[i].device() == unary.device(), "a lattice is on ",
                lattices[i].device(), ", the energies are on ", unary.device());
    TORCH_CHECK(lattices[i].size(0) * unary.size(1) == unary.numel(),
                "a lattice of ", lattices[i].size(0), " pixels for energies of size ",
                unary.sizes());
    holders.emplace_back(std::array<Tensor, 6>{lattices[i], lattices[i + 1],
                                               lattices[i + 2], lattices[i + 3],
                                               lattices[i + 4], lattices[i + 5]});
  }
  return holders;
}

template <typename T>
Term<T> make_term(const LatticeHolder& holder, const Tensor& compat, int64_t labels) {
  if (compat.numel() == 0) return {holder.view(), nullptr, kPotts};
  const bool matrix = compat.dim() == 2;
  TORCH_CHECK(compat.numel() == (matrix ? labels * labels : labels),
              "weights of size ", compat.sizes(), " for ", labels, " labels");
  return {holder.view(), compat.const_data_ptr<T>(), matrix ? kMatrix : kPerLabel};
}

Tensor mean_field_cuda(const Tensor& given, at::TensorList lattices,
                       at::TensorList given_compats, int64_t iter_max,
                       const std::optional<Tensor>& given_log_count) {
  TORCH_CHECK(given.dim() == 4 && lattices.size() == 6 * given_compats.size(),
              "energies must be (B, n, H, W), with six tensors for each term");
  const c10::cuda::CUDAGuard guard(given.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const Tensor unary = given.contiguous();
  const std::vector<LatticeHolder> holders = hold(lattices, unary);
  const int64_t labels = unary.size(1);
  const MeanFieldSize size{unary.size(0), labels, unary.size(2) * unary.size(3),
                           iter_max};
  std::vector<Tensor> compats;
  for (const Tensor& compat : given_compats) {
    compats.push_back(compat.to(unary.options()).contiguous());
  }
  Tensor log_count;
  if (given_log_count) log_count = given_log_count->to(unary.options()).contiguous();
  Tensor maps = at::empty(unary.sizes(), unary.options());
  if (maps.numel() == 0) return maps;
  with_scalar_of(unary, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Term<T>> terms;
    for (size_t i = 0; i < compats.size(); ++i) {
      terms.push_back(make_term<T>(holders[i], compats[i], labels));
    }
    Tensor workspace = bytes_like(unary, mean_field_bytes<T>(size, terms));
    const T* counts = log_count.defined() ? log_count.const_data_ptr<T>() : nullptr;
    C10_CUDA_CHECK(mean_field_maps<T>(size, terms, unary.const_data_ptr<T>(), counts,
                                      workspace.mutable_data_ptr(),
                                      maps.mutable_data_ptr<T>(), stream));
  });
  return maps;
}

}  // namespace
}  // namespace mmwsss::gpu

REGISTER_DEVICE_IMPL(mmwsss_mean_field, CUDA, mmwsss::gpu::mean_field_cuda);
