// TORCHCONV_LOG=1: one line on the standard error for the first pick of each problem, with the reason.
#pragma once
#include "registry.h"

namespace torchconv {

bool logging();  // whether the environment asked for it when this was first called
void log_pick(const ConvProblem&, const std::string& algo);

}  // namespace torchconv
