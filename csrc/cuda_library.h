// Loads the shared library with the CUDA kernels and takes its rows into the registry.
#pragma once
#include <string>

namespace torchconv {
// Loading registers the library's operators with torch. Call once; throws ConvError with the loader's reason.
void load_cuda_library(const std::string& path);
}  // namespace torchconv
