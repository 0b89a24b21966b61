// The one exception of the C++ side; Python shows it as torchconv.TorchconvError.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace torchconv {

struct ConvError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// check(ok, "stride: expected positive numbers, got ", s) names the argument, what was expected, what came.
template <class... Parts>
inline void check(bool ok, const Parts&... parts) {
  if (__builtin_expect(!ok, 0)) throw ConvError(join("torchconv: ", parts...));
}

}  // namespace torchconv
