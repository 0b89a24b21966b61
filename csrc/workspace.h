// The memory that a call needs for itself while it runs.
#pragma once
#include <atomic>
#include <cstdlib>

#include "tensors.h"

namespace torchconv {

// On the CPU a thread keeps what it had for its next call, up to kMostKept: fresh memory of that size comes from the
// system a page at a time. phases(winograd4) of 128 channels at 56x56, stride 2, in turn with torch: 1.3x to 1.8x.
constexpr int64_t kMostKept = 64 << 20;

class Workspace {
 public:
  Workspace(int64_t bytes, const Tensor& like) {
    if (bytes <= 0) return;
    if (keeping && bytes <= kMostKept && like.is_cpu() && !kept().used) data_ = take(bytes);
    if (data_) return;
    tensor_ = allocate_workspace(bytes, like);
    data_ = tensor_.mutable_data_ptr();
  }
  ~Workspace() {
    if (taken_) kept().used = false;
  }
  Workspace(const Workspace&) = delete;
  void operator=(const Workspace&) = delete;
  void* data() const { return data_; }

  // Tests turn it off: what torch allocates it can fill with garbage.
  static inline std::atomic<bool> keeping{true};

 private:
  struct Kept {
    void* data = nullptr;
    int64_t size = 0;
    bool used = false;
    ~Kept() { std::free(data); }
  };
  static Kept& kept() {
    static thread_local Kept kept;
    return kept;
  }

  // Null if there is no room.
  void* take(int64_t bytes) {
    Kept& k = kept();
    if (bytes > k.size) {
      constexpr int64_t step = 1 << 20;
      std::free(k.data);
      k.size = (bytes + step - 1) / step * step;
      k.data = std::aligned_alloc(64, size_t(k.size));
      if (!k.data) k.size = 0;
    }
    taken_ = k.used = k.data != nullptr;
    return k.data;
  }

  Tensor tensor_;
  void* data_ = nullptr;
  bool taken_ = false;
};

}  // namespace torchconv
