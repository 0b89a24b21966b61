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
  out.precision(3);
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw ConvError(join("torchconv: ", parts...));
}

// TORCHCONV_CHECK(ok, "stride: expected positive numbers, got ", s) names the argument, what was
// expected and what came. A macro, because the parts must cost nothing where the check holds.
#define TORCHCONV_CHECK(ok, ...)                                    \
  do {                                                              \
    if (__builtin_expect(!(ok), 0)) ::torchconv::fail(__VA_ARGS__); \
  } while (0)

}  // namespace torchconv
