// The memory that a call needs for itself while it runs.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "plans.h"
#include "tensors.h"

namespace torchconv {

// On the CPU a thread keeps what it had for its next call, up to kMostKept and the limit that auto has: fresh memory of
// that size comes from the system a page at a time. phases(winograd4) of 128 channels at 56x56, stride 2, in turn with
// torch: 1.3x to 1.8x.
constexpr int64_t kMostKept = 64 << 20;

class Workspace {
 public:
  Workspace(int64_t bytes, const Tensor& like) {
    const int64_t most = keeping ? std::min(kMostKept, workspace_limit()) : 0;
    if (!kept().used && kept().size > whole_steps(most)) kept().release();
    if (bytes <= 0) return;
    if (bytes <= most && like.is_cpu() && !kept().used) data_ = take(bytes);
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

  static int64_t kept_bytes() { return kept().size; }  // by this thread

  // Tests turn it off: what torch allocates it can fill with garbage.
  static inline std::atomic<bool> keeping{true};

 private:
  static int64_t whole_steps(int64_t bytes) {
    constexpr int64_t step = 1 << 20;
    return (bytes + step - 1) / step * step;
  }
  struct Kept {
    void* data = nullptr;
    int64_t size = 0;
    bool used = false;
    ~Kept() { release(); }
    void release() {
      std::free(data);
      data = nullptr, size = 0;
    }
  };
  static Kept& kept() {
    static thread_local Kept kept;
    return kept;
  }

  // Null if there is no room.
  void* take(int64_t bytes) {
    Kept& k = kept();
    if (bytes > k.size) {
      k.release();
      k.size = whole_steps(bytes);
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
