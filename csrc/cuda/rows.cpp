// The CUDA library's one entry point: called when the library is loaded, it adds the rows of each
// csrc/<algo>/cuda_*.cu. There are none yet; until then select() refuses a CUDA tensor and says so.
#include "registry.h"

extern "C" __attribute__((visibility("default"))) void torchconv_cuda_rows(void (*)(const torchconv::Row&)) {}
