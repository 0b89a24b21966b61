#include "cuda_library.h"

#include <dlfcn.h>

#include "common/error.h"
#include "registry.h"

namespace torchconv {

void load_cuda_library(const std::string& path) {
  // Never closed: torch keeps pointers to the operators that it registers.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  TORCHCONV_CHECK(library, "cuda library: expected a loadable file, got: ", library ? "" : dlerror());
  using AddRows = void (*)(void (*add)(const Row&));
  const auto add_rows = reinterpret_cast<AddRows>(dlsym(library, "torchconv_cuda_rows"));
  TORCHCONV_CHECK(add_rows, "cuda library: expected the function torchconv_cuda_rows in ", path, ", got none");
  add_rows(&add_row);
}

}  // namespace torchconv
