// TORCHCONV_LOG=1: one line on the standard error for the first pick of each problem, with the reason, and for each
// segment of a chain.
#pragma once
#include "registry.h"

namespace torchconv {

bool logging();  // whether the environment asked for it when this was first called
void log_pick(const ConvProblem&, const std::string& algo);
void log_once(const std::string& line);

}  // namespace torchconv
