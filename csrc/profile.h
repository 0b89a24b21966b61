// What torch.profiler shows of a kernel: a range that names its algorithm, pass and sizes.
#pragma once
#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <string>

namespace torchconv {

bool profiling();  // whether a profiler, or another observer of torch's, is active

class ProfiledRange {
 public:
  // make_name is called only where somebody looks.
  template <class MakeName>
  explicit ProfiledRange(const MakeName& make_name) {
    if (!profiling()) return;
    const std::string name = "torchconv::" + make_name();
    // Where it fails there is no range, and nothing else is lost.
    if (aoti_record_function_start(name.c_str(), nullptr, nullptr, 0, &range_) != 0) range_ = nullptr;
  }
  ~ProfiledRange() {
    if (range_) aoti_record_function_end(range_);
  }
  ProfiledRange(const ProfiledRange&) = delete;
  ProfiledRange& operator=(const ProfiledRange&) = delete;

 private:
  AtenRecordFunctionHandle range_ = nullptr;
};

}  // namespace torchconv
