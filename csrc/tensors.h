// What the operator files share: checks on tensors, memory formats, and memory. They see torch's headers; no other
// does.
#pragma once
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <string>

#include "blocks.h"
#include "common/error.h"
#include "geometry.h"

// Of the stable ABI from torch 2.11 on, and null before: this library is built for 2.10 and later.
extern "C" __attribute__((weak)) AOTITorchError torch_from_blob(
    void* data, int64_t rank, const int64_t* sizes, const int64_t* strides, int64_t storage_offset, int32_t dtype,
    int32_t device_type, int32_t device_index, AtenTensorHandle* out, int32_t layout, const uint8_t* metadata,
    int64_t metadata_size, void (*deleter)(void* data, void* context), void* context);

namespace torchconv {

using torch::headeronly::MemoryFormat;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline Sizes sizes_of(const Tensor& t) {
  const auto s = t.sizes();
  return Sizes(s.begin(), s.end());
}

inline DType dtype_of(const char* name, const Tensor& t) {
  switch (t.scalar_type()) {
    case ScalarType::Float: return DType::f32;
    case ScalarType::Double: return DType::f64;
    case ScalarType::Half: return DType::f16;
    case ScalarType::BFloat16: return DType::bf16;
    default:
      fail(name, ": expected dtype float32, float64, float16 or bfloat16, got ",
           torch::headeronly::toString(t.scalar_type()));
  }
  return DType::f32;
}

// Of the results of all operators: those of pooling may also be indices or taps.
inline int64_t itemsize_of(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Byte: return 1;
    case ScalarType::Half:
    case ScalarType::BFloat16: return 2;
    case ScalarType::Float: return 4;
    default: return 8;
  }
}

inline const char* device_of(const Tensor& t) { return t.is_cpu() ? "cpu" : t.is_cuda() ? "cuda" : "another device"; }

// Operands of one operator agree in dtype and device.
inline void check_same(const char* name, const Tensor& t, const char* first_name, const Tensor& first) {
  TORCHCONV_CHECK(t.scalar_type() == first.scalar_type(), name, ": expected dtype ",
                  torch::headeronly::toString(first.scalar_type()), " as ", first_name, " has, got ",
                  torch::headeronly::toString(t.scalar_type()));
  TORCHCONV_CHECK(t.is_cpu() == first.is_cpu() && t.get_device_index() == first.get_device_index(), name,
                  ": expected to be on ", device_of(first), " as ", first_name, " is, got ", device_of(t));
}

inline void check_cpu(const char* name, const Tensor& t) {
  TORCHCONV_CHECK(t.is_cpu(), name, ": expected to be on cpu, where this operator has a kernel, got ", device_of(t));
}

// channels_last as torch.Tensor.suggest_memory_format decides; 3-D tensors have no such format.
inline MemoryFormat format_of(const Tensor& t) {
  const int64_t rank = t.dim();
  if ((rank != 4 && rank != 5) || !suggests_channels_last(int(rank), t.sizes().data(), t.strides().data()))
    return MemoryFormat::Contiguous;
  return rank == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d;
}
inline Layout layout_of(MemoryFormat f) { return f == MemoryFormat::Contiguous ? Layout::nchw : Layout::nhwc; }

inline Tensor make_dense(const Tensor& t, MemoryFormat format) {
  const int64_t rank = t.dim();
  const bool dense = rank == 4 || rank == 5
                         ? is_dense(int(rank), t.sizes().data(), t.strides().data(), layout_of(format))
                         : t.is_contiguous();
  return dense ? t : torch::stable::contiguous(t, format);
}

// Uninitialised memory on like's device. Through the C function rather than torch::stable::empty,
// which looks its operator up by name on each call.
inline Tensor empty_strided(int64_t rank, const int64_t* sizes, const int64_t* strides, ScalarType dtype,
                            const Tensor& like) {
  int32_t device_type;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_type(like.get(), &device_type));
  AtenTensorHandle out;
  const int32_t code = torch::stable::detail::to<int32_t>(torch::stable::detail::from(dtype));
  const bool made =
      aoti_torch_empty_strided(rank, sizes, strides, code, device_type, like.get_device_index(), &out) == TORCH_SUCCESS;
  TORCHCONV_CHECK(made, "memory: expected room for a tensor of size ", to_string(Sizes(sizes, sizes + rank)),
                  " and dtype ", torch::headeronly::toString(dtype), ", got an allocation failure");
  return Tensor(out);
}

// The same in a block that stays for the next result when this one is freed; null where that cannot be.
inline AtenTensorHandle in_block(int64_t rank, const int64_t* sizes, const int64_t* strides, ScalarType dtype) {
  int64_t bytes = itemsize_of(dtype);
  for (int64_t d = 0; d < rank; ++d) bytes *= sizes[d];
  AtenTensorHandle out = nullptr;
  if (bytes < kLeastBlock || bytes > idle_memory_limit() || !torch_from_blob) return out;
  const Block block = take_block(bytes);
  if (!block.data) return out;
  const int32_t code = torch::stable::detail::to<int32_t>(torch::stable::detail::from(dtype));
  const auto give_back = [](void* data, void* size) { give_block({data, int64_t(size)}); };
  const bool made =
      torch_from_blob(block.data, rank, sizes, strides, 0, code, aoti_torch_device_type_cpu(), -1, &out,
                      aoti_torch_layout_strided(), nullptr, 0, give_back, (void*)block.size) == TORCH_SUCCESS;
  if (!made) give_block(block);
  return made ? out : nullptr;
}

inline Tensor allocate(const Sizes& sizes, MemoryFormat format, const Tensor& like, ScalarType dtype) {
  int64_t strides[5], next = 1;
  const int64_t rank = int64_t(sizes.size());
  if (layout_of(format) == Layout::nhwc && rank >= 4) {
    strides[1] = 1, next = sizes[1];
    for (int64_t d = rank - 1; d >= 2; --d) strides[d] = next, next *= sizes[d];
    strides[0] = next;
  } else {  // sizes of 0 count as 1 here, but not above: so does torch
    for (int64_t d = rank - 1; d >= 0; --d) strides[d] = next, next *= sizes[d] > 1 ? sizes[d] : 1;
  }
  if (like.is_cpu())
    if (const AtenTensorHandle made = in_block(rank, sizes.data(), strides, dtype)) return Tensor(made);
  return empty_strided(rank, sizes.data(), strides, dtype, like);
}
inline Tensor allocate(const Sizes& sizes, MemoryFormat format, const Tensor& like) {
  return allocate(sizes, format, like, like.scalar_type());
}

inline Tensor allocate_workspace(int64_t bytes, const Tensor& like) {
  const int64_t stride = 1;
  return empty_strided(1, &bytes, &stride, ScalarType::Byte, like);
}

}  // namespace torchconv
