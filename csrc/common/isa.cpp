#include "common/isa.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "common/error.h"

namespace torchconv {

Isa detected_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") ? Isa::avx512_bf16
                                                                                        : Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    return Isa::avx2;
#endif
  return Isa::baseline;
}

Isa parse_isa(const char* argument, const std::string& name) {
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::avx512_bf16})
    if (name == to_string(isa)) return isa;
  fail(argument, ": expected baseline, avx2, avx512 or avx512_bf16, got '", name, "'");
}

static std::atomic<int>& current() {
  static std::atomic<int> isa = [] {
    const char* cap = std::getenv("TORCHCONV_MAX_ISA");
    const Isa found = detected_isa();
    return int(cap && *cap ? std::min(found, parse_isa("TORCHCONV_MAX_ISA", cap)) : found);
  }();
  return isa;
}

Isa current_isa() { return Isa(current().load(std::memory_order_relaxed)); }
void set_max_isa(Isa cap) { current() = int(std::min(detected_isa(), cap)); }

}  // namespace torchconv
