// Plans above the registry: a problem with a stride or a dilation made into problems without, for rows that take no
// others. A plan is itself a row, named after the tree that it is: "phases(winograd4)" has leaves "winograd4".
//
// Along an axis of step s (the dilation or the stride) element e of an image belongs to phase e % s.
// - A dilation d: each phase of y reads one phase of x, under the whole kernel with dilation 1. The d phases are set
//   beside each other, with zeros between them, and are one image to the leaf: its tiles need not divide a phase, so
//   few of their results are wasted.
// - A stride s: y sums over all phases of x, each under taps of its own, every s-th of the kernel. Either the phases
//   become channels, and so do the taps: one leaf with a kernel of ceil(R / s) taps, some of them zeros, over s times
//   as many channels. Or they lie apart, and each has a leaf of its own, with no taps but its own; a phase of too few
//   taps for the leaf runs on a row that sums directly. In grad_input (sub-pixel convolution, if it is the forward of a
//   transposed one) nothing is summed over the phases; in fwd each leaf adds its sums to the last one's, as it would
//   add a residual. The plan is the one with the lower predicted time.
// Both permute operands and add zeros, so all three passes are the leaf's, and the predicted errors too. Operands are
// cut, leaves run, results are joined, all through the workspace; but in channels_last, phases that lie apart read
// their taps where they stand.
#pragma once
#include <deque>

#include "registry.h"

namespace torchconv {

// Adds a plan for every row that takes stride 1 and dilation 1 alone.
void add_composed_rows(const std::deque<Row>& leaves);

}  // namespace torchconv
