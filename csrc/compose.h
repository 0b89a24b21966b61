// Plans above the registry: a problem with a stride or a dilation made into one without, which a row can run that takes
// no others. A plan is itself a row, named after the tree that it is: "phases(winograd4)" has the leaf "winograd4".
//
// Along an axis of step s (the dilation or the stride) element e of an image belongs to phase e % s.
// - A dilation d: each phase of y reads one phase of x, with all of the kernel and dilation 1. The d phases are set
//   beside each other, with zeros between them, and are one image to the leaf: tiles that do not divide a phase reach
//   into the next one, so that few of their results are wasted.
// - A stride s: y sums over all phases of x, each under the taps of its own, every s-th of the kernel. The s phases
//   become channels, and the taps too: a kernel of ceil(R / s) taps over s times as many channels, and stride 1.
// Both are a permutation of the operands, with zeros added, so that all three passes are the leaf's, and errors too:
// operands are cut, the leaf runs, the result is joined. grad_input with a stride is known as sub-pixel convolution.
#pragma once
#include <deque>

#include "registry.h"

namespace torchconv {

// Adds a plan for every row that takes stride 1 and dilation 1 alone.
void add_composed_rows(const std::deque<Row>& leaves);

}  // namespace torchconv
