// Operands for the native tests: memory of exactly the size that a kernel was promised.
#pragma once
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "common/error.h"
#include "common/half.h"
#include "reference/reference.h"

namespace torchconv {

// Memory of exactly `bytes` bytes, aligned as torch aligns its own, filled with a pattern that no result equals.
class Buffer {
 public:
  explicit Buffer(int64_t bytes) : bytes_(size_t(bytes)) {
    TORCHCONV_CHECK(posix_memalign(&data_, 64, bytes_ ? bytes_ : 1) == 0, "buffer: expected memory, got none");
    std::memset(data_, 0x7b, bytes_);
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

inline double get(DType dtype, const void* data, int64_t i) {
  return dispatch_dtype(dtype, [&](auto zero) { return reference::to_double(((const decltype(zero)*)data)[i]); });
}
inline void set(DType dtype, void* data, int64_t i, double value) {
  dispatch_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    ((T*)data)[i] = reference::from_double<T>(value);
  });
}

inline void fill_with_integers(DType dtype, const Buffer& buffer, int64_t numel, std::mt19937& random) {
  for (int64_t i = 0; i < numel; ++i) set(dtype, buffer.data(), i, int(random() % 7) - 3);
}

inline double largest_difference(DType dtype, const Buffer& a, const Buffer& b, int64_t numel) {
  double largest = 0;
  for (int64_t i = 0; i < numel; ++i) {
    const double x = get(dtype, a.data(), i), y = get(dtype, b.data(), i), difference = x == y ? 0 : std::fabs(x - y);
    largest = std::max(largest, std::isnan(difference) ? INFINITY : difference);
  }
  return largest;
}

}  // namespace torchconv
