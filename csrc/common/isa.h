// Which instruction sets this process may use: what the CPU has, capped by TORCHCONV_MAX_ISA.
#pragma once
#include <string>

#include "common/problem.h"

namespace torchconv {
Isa detected_isa();         // what the CPU has
Isa current_isa();          // what is used: detected, capped by TORCHCONV_MAX_ISA or set_max_isa
void set_max_isa(Isa cap);  // for tests and benchmarks; never raises above detected_isa()
Isa parse_isa(const char* argument, const std::string& name);  // throws ConvError, naming the argument
}  // namespace torchconv
