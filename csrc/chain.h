// Depth first: convolutions one after another, strip by strip, so that what is between two of them stays in the L2
// cache and is never a tensor. Layer by layer each result of a MobileNetV2 goes to memory and comes back.
#pragma once
#include <string>
#include <vector>

#include "registry.h"

namespace torchconv {

// One of a chain of forward problems: a row that runs it, and whether its result goes to the next link alone.
struct Link {
  ConvProblem p;
  const Row* row;
  bool to_next_alone;
};

// Links [first, end) that run as one: each of `ranges` ranges of rows of every image is a task, which goes down its
// rows of the last result a strip of `rows` at a time. One link alone runs as it is.
struct Segment {
  size_t first, end;
  int64_t ranges, rows;
  std::vector<int64_t> held;         // rows of each result that are there at a time
  int64_t leaf_bytes, thread_bytes;  // of workspace: what a link needs, and all that a thread does

  size_t links() const { return end - first; }
};

// How a chain is cut into segments; one that was cut before is remembered. The reference holds until the next call.
const std::vector<Segment>& segments_of(const std::vector<Link>& chain);

// "im2col, depthwise and im2col, x [8, 16, 112, 112] to y [8, 24, 56, 56], 4 rows at a time"
std::string describe(const Segment&, const std::vector<Link>& chain);

// operands: those of all links, in which a segment has but the x of its first and the result of its last.
void run_segment(const Segment&, const std::vector<Link>& chain, const std::vector<ConvOperands>& operands,
                 void* workspace);

}  // namespace torchconv
