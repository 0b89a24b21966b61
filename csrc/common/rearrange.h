// Images cut into phases, and joined again: with a step of s, phase a of an axis has the elements a, a + s, a + 2s, ...
// Phases stand beside each other along the axis, or become channels, or images of their own.
#pragma once
#include "common/problem.h"

namespace torchconv {

// Element e of an axis is element (e + shift) / step of phase (e + shift) % step; shift < step.
struct CutAxis {
  int64_t size;         // of the image
  int64_t step, shift;  //
  int64_t length;       // of a phase; what the image does not have of it is zero
  bool beside;          // phases begin `pitch` after each other along the axis, with zeros between them
  int64_t pitch;        //
  int64_t whole;        // of the axis after the cut

  int64_t phases() const { return beside ? 1 : step; }  // that do not stand beside each other
};

// [N, groups * channels, H, W] -> [N, groups * phases of h * phases of w * channels, H', W'], or, where phases lie
// apart, [phases of h * phases of w * N, groups * channels, H', W']. Both are dense in `layout`.
struct CutImages {
  Layout layout;
  Isa isa;
  int64_t item;  // bytes of an element
  int threads;
  int64_t N, groups, channels;
  CutAxis h, w;
  bool apart;

  int64_t phases() const { return h.phases() * w.phases(); }
  int64_t image_channels() const { return groups * channels; }
  int64_t cut_channels() const { return image_channels() * (apart ? 1 : phases()); }
  int64_t cut_image() const { return cut_channels() * h.whole * w.whole; }  // elements
  int64_t cut_elements() const { return N * image_channels() * phases() * h.whole * w.whole; }
};

// Elements are moved as they are, whatever their type: calls f with a number of their size.
template <class F>
void dispatch_item(int64_t item, const F& f) {
  item == 8 ? f(uint64_t()) : item == 4 ? f(uint32_t()) : f(uint16_t());
}

void cut_images(const CutImages&, const void* image, void* phases);
void join_images(const CutImages&, const void* phases, void* image);

}  // namespace torchconv
