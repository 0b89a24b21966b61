// From sizes and user arguments to a ConvProblem: the one place that validates a convolution.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/problem.h"

namespace torchconv {

using Sizes = std::vector<int64_t>;

struct Geometry {
  Sizes stride;    // one entry per spatial dimension
  Sizes padding;   // two per spatial dimension: before, after
  Sizes dilation;  // one per spatial dimension
  int64_t groups;
};

// The size of y for x [N, C, spatial...] and w [K, C/groups, kernel...].
// Throws ConvError naming the argument, what was expected and what came.
Sizes conv_output_size(const Sizes& x, const Sizes& w, const Geometry& g);

// Throws unless y is what conv_output_size says of x and w. name: what the caller calls y.
void check_output_size(const char* name, const Sizes& x, const Sizes& w, const Sizes& y, const Geometry& g);

// Fills the sizes, strides, paddings and dilations of a problem; what has no depth or height gets one of 1.
ConvProblem make_problem(Pass pass, const Sizes& x, const Sizes& w, const Sizes& y, const Geometry& g);

// The layout to compute a problem in whose images are in `layout`. Single pixels are in both, and channels_last has the
// faster kernels: 512 channels of 64 pixels to as many take a third of the time. grad_w has to be in its own, too.
Layout layout_to_compute(const ConvProblem& p, Layout layout);

// The convolution with one output channel whose patches unfold takes from x [N, C, H, W] and fold adds to it.
// Throws ConvError; x_name: what the caller calls the size of x.
ConvProblem make_unfold_problem(const char* x_name, const Sizes& x, const Sizes& kernel_size, const Geometry& g);

// The size of y for pooling x [N, C, spatial...], one entry of the lists per spatial dimension. Throws ConvError.
Sizes pool_output_size(const Sizes& x, const Sizes& kernel_size, const Sizes& stride, const Sizes& padding,
                       const Sizes& dilation, bool ceil_mode);

std::string to_string(const Sizes& sizes);  // "[1, 2, 3]"

// torch's suggest_memory_format for a tensor of rank 4 or 5: true for channels_last and channels_last_3d.
bool suggests_channels_last(int rank, const int64_t* sizes, const int64_t* strides);
// Whether a tensor of rank 4 or 5 is dense in the given layout; strides of dimensions of size 1 do not matter.
bool is_dense(int rank, const int64_t* sizes, const int64_t* strides, Layout layout);

}  // namespace torchconv
