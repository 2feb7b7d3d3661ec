// Licensed under Apache-2.0.
//
// Which implementation runs on which device: mmcv's registry where mmcv is
// installed, else the same three macros of our own. The tables are symbols of
// the whole process: every key begins with `mmwsss_`.
#pragma once

#if __has_include("pytorch_device_registry.hpp")
#include "pytorch_device_registry.hpp"
#else

#include <torch/types.h>

#include <array>
#include <optional>
#include <type_traits>
#include <utility>

namespace mmwsss {

template <typename F, F f>
class Registry;

// One table for each dispatched function f: device type -> implementation.
template <typename Ret, typename... Args, Ret (*f)(Args...)>
class Registry<Ret (*)(Args...), f> {
 public:
  using Function = Ret (*)(Args...);

  static Registry& instance() {
    static Registry registry;
    return registry;
  }
  void add(at::DeviceType device, Function function) {
    table_.at(static_cast<size_t>(device)) = function;
  }

  // All tensors among the arguments must be on the device of the first one.
  template <typename... Given>
  Ret call(const char* name, Given&&... given) const {
    std::optional<at::Device> device;
    (check(name, device, given), ...);
    TORCH_CHECK(device.has_value(), name, ": needs a tensor argument");
    Function function = table_.at(static_cast<size_t>(device->type()));
    TORCH_CHECK(function != nullptr, name, ": not compiled for ", *device);
    return function(std::forward<Given>(given)...);
  }

 private:
  template <typename T>
  static void check(const char* name, std::optional<at::Device>& device,
                    const T& argument) {
    if constexpr (std::is_same_v<T, at::Tensor>) {
      if (!device.has_value()) device = argument.device();
      TORCH_CHECK(argument.device() == *device, name, ": a tensor is on ",
                  argument.device(), ", another one on ", *device);
    }
  }

  std::array<Function,
             static_cast<size_t>(at::DeviceType::COMPILE_TIME_MAX_DEVICE_TYPES)>
      table_{};
};

}  // namespace mmwsss

#define MMWSSS_REGISTRY(key) \
  mmwsss::Registry<decltype(&(key)), key>::instance()
#define REGISTER_DEVICE_IMPL(key, device, value)                  \
  static const bool key##_##device##_registered =                 \
      (MMWSSS_REGISTRY(key).add(at::k##device, value), true);
#define DISPATCH_DEVICE_IMPL(key, ...) \
  MMWSSS_REGISTRY(key).call(#key, __VA_ARGS__)

#endif
