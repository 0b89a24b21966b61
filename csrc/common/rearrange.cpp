#include "common/rearrange.h"

#include <algorithm>
#include <cstring>

#include "common/parallel.h"

#define TORCHCONV_INL "common/rearrange-inl.h"
#include "common/foreach_isa.h"

namespace torchconv {
namespace {

// Element `at` of the axis after the cut: of which phase it is, and where it stands in it. Between phases there are
// gaps, where phase is -1.
struct Phase {
  int64_t phase, at;
};
Phase place_beside(const CutAxis& a, int64_t at) {
  const int64_t phase = at / a.pitch, in = at % a.pitch;
  return {in < a.length ? phase : -1, in};
}

// The element of the image that is element `at` of a phase; -1 where the image has none.
int64_t element(const CutAxis& a, int64_t phase, int64_t at) {
  const int64_t e = at * a.step + phase - a.shift;
  return phase >= 0 && e >= 0 && e < a.size ? e : -1;
}

// Where an element of the image is after the cut: in which of the phases that are not beside each other, and where
// there.
Phase target(const CutAxis& a, int64_t e) {
  const int64_t phase = (e + a.shift) % a.step, at = (e + a.shift) / a.step;
  return a.beside ? Phase{0, phase * a.pitch + at} : Phase{phase, at};
}

// Copies `bytes` of every group.
void copy_groups(int64_t groups, int64_t bytes, const char* from, int64_t from_stride, char* to, int64_t to_stride) {
  for (int64_t g = 0; g < groups; ++g) std::memcpy(to + g * to_stride, from + g * from_stride, size_t(bytes));
}

// channels_last: pixel by pixel.
struct Pixels {
  const CutImages& c;
  int64_t bytes = c.channels * c.item;  // of a group's channels in the image
  int64_t image_pixel = c.image_channels() * c.item, cut_pixel = c.cut_channels() * c.item;
  int64_t group = cut_pixel / c.groups;
  int64_t phase_w = c.apart ? c.N * c.cut_image() * c.item : bytes, phase_h = c.w.phases() * phase_w;  // strides

  // How many neighbours in a row are neighbours after the cut too, from element e on.
  int64_t run(int64_t e) const {
    const bool joined = c.groups == 1 && !c.apart && !c.w.beside && (e + c.w.shift) % c.w.step == 0;
    return joined && e >= 0 && e + c.w.step <= c.w.size ? c.w.step : 1;
  }

  void cut_row(const char* image, int64_t row, char* to) const {
    for (int64_t r = 0; r < c.h.phases(); ++r) {
      const Phase i = c.h.beside ? place_beside(c.h, row) : Phase{r, row};
      const int64_t h = element(c.h, i.phase, i.at);
      for (int64_t column = 0; column < c.w.whole; ++column)
        for (int64_t s = 0, pixels; s < c.w.phases(); s += pixels) {
          const Phase j = c.w.beside ? place_beside(c.w, column) : Phase{s, column};
          const int64_t w = h < 0 ? -1 : element(c.w, j.phase, j.at);
          char* at = to + column * cut_pixel + r * phase_h + s * phase_w;
          pixels = run(w);
          if (w >= 0)
            copy_groups(c.groups, pixels * bytes, image + (h * c.w.size + w) * image_pixel, bytes, at, group);
          else
            for (int64_t g = 0; g < c.groups; ++g) std::memset(at + g * group, 0, size_t(bytes));
        }
    }
  }

  void join_row(const char* phases, int64_t h, char* to) const {
    const Phase i = target(c.h, h);
    const char* from = phases + i.at * c.w.whole * cut_pixel + i.phase * phase_h;
    for (int64_t w = 0, pixels; w < c.w.size; w += pixels) {
      const Phase j = target(c.w, w);
      pixels = run(w);
      copy_groups(c.groups, pixels * bytes, from + j.at * cut_pixel + j.phase * phase_w, group, to + w * image_pixel,
                  bytes);
    }
  }
};

// NCHW: plane by plane.
template <class S>
struct Planes {
  const CutImages& c;
  int64_t plane = c.h.whole * c.w.whole;
  int64_t phase_w = (c.apart ? c.N * c.image_channels() : c.channels) * plane, phase_h = c.w.phases() * phase_w;
  int64_t row_stride = c.w.beside ? c.w.pitch : phase_w;  // between what the phases of a row become

  // Where the first phase of a channel goes to.
  int64_t offset(int64_t n, int64_t channel) const {
    const int64_t g = channel / c.channels, in_group = channel % c.channels;
    return n * c.cut_image() + (g * (c.apart ? 1 : c.phases()) * c.channels + in_group) * plane;
  }

  void clear(S* row, int64_t count) const { std::memset(row, 0, size_t(count) * sizeof(S)); }

  void cut(const S* image, int64_t r, S* to) const {
    for (int64_t row = 0; row < c.h.whole; ++row, to += c.w.whole) {
      const Phase i = c.h.beside ? place_beside(c.h, row) : Phase{r, row};
      const int64_t h = element(c.h, i.phase, i.at);
      const S* from = image + h * c.w.size;
      if (h < 0) {
        for (int64_t s = 0; s < c.w.phases(); ++s) clear(to + s * phase_w, c.w.whole);
      } else if (c.w.step == 1) {
        std::copy_n(from, c.w.size, to);
      } else {
        if (c.w.beside) clear(to, c.w.whole);
        TORCHCONV_DISPATCH_ISA(c.isa, cut_row, c.w, from, to, row_stride);
      }
    }
  }

  void join(const S* phases, S* image) const {
    for (int64_t h = 0; h < c.h.size; ++h, image += c.w.size) {
      const Phase i = target(c.h, h);
      const S* from = phases + i.phase * phase_h + i.at * c.w.whole;
      if (c.w.step == 1)
        std::copy_n(from, c.w.size, image);
      else
        TORCHCONV_DISPATCH_ISA(c.isa, join_row, c.w, from, row_stride, image);
    }
  }
};

// Another thread for each 64 KiB: fewer are not worth waking one.
int threads_for(const CutImages& c) {
  return int(std::min<int64_t>(c.threads, 1 + c.cut_elements() * c.item / (64 << 10)));
}

}  // namespace

void cut_images(const CutImages& c, const void* image, void* phases) {
  if (c.layout == Layout::nhwc) {
    const Pixels pixels{c};
    parallel_tasks(c.N * c.h.whole, threads_for(c), [&](int64_t task, int) {
      pixels.cut_row((const char*)image + task / c.h.whole * c.h.size * c.w.size * pixels.image_pixel, task % c.h.whole,
                     (char*)phases + task * c.w.whole * pixels.cut_pixel);
    });
    return;
  }
  dispatch_item(c.item, [&](auto s) {
    using S = decltype(s);
    const Planes<S> planes{c};
    const int64_t channels = c.image_channels(), rows = c.h.phases();
    parallel_tasks(c.N * channels * rows, threads_for(c), [&](int64_t task, int) {
      const int64_t r = task % rows, channel = task / rows % channels, n = task / rows / channels;
      planes.cut((const S*)image + (n * channels + channel) * c.h.size * c.w.size, r,
                 (S*)phases + planes.offset(n, channel) + r * planes.phase_h);
    });
  });
}

void join_images(const CutImages& c, const void* phases, void* image) {
  if (c.layout == Layout::nhwc) {
    const Pixels pixels{c};
    parallel_tasks(c.N * c.h.size, threads_for(c), [&](int64_t task, int) {
      pixels.join_row((const char*)phases + task / c.h.size * c.h.whole * c.w.whole * pixels.cut_pixel, task % c.h.size,
                      (char*)image + task * c.w.size * pixels.image_pixel);
    });
    return;
  }
  dispatch_item(c.item, [&](auto s) {
    using S = decltype(s);
    const Planes<S> planes{c};
    const int64_t channels = c.image_channels();
    parallel_tasks(c.N * channels, threads_for(c), [&](int64_t task, int) {
      const int64_t channel = task % channels, n = task / channels;
      planes.join((const S*)phases + planes.offset(n, channel), (S*)image + task * c.h.size * c.w.size);
    });
  });
}

}  // namespace torchconv
