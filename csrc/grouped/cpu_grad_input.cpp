#include "grouped/grouped.h"
#include "grouped/images.h"

namespace torchconv::grouped {

void run_grad_input(const ConvProblem& p, const ConvOperands& o) { run_images(p, o); }
int64_t workspace_grad_input(const ConvProblem& p) { return images_workspace(p); }

}  // namespace torchconv::grouped
