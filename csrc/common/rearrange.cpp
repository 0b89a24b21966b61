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

// Which channel phase c of an axis is, and where phase b stands along it.
struct Target {
  int64_t channel, at;
};
Target target(const CutAxis& a, int64_t e) {
  const int64_t phase = (e + a.shift) % a.step, at = (e + a.shift) / a.step;
  return a.beside ? Target{0, phase * a.pitch + at} : Target{phase, at};
}

// Copies `channels` elements of every group, from where they stand in the one pixel to where in the other.
void copy_groups(int64_t groups, int64_t bytes, const char* from, int64_t from_stride, char* to, int64_t to_stride) {
  for (int64_t g = 0; g < groups; ++g) std::memcpy(to + g * to_stride, from + g * from_stride, size_t(bytes));
}

// channels_last: pixel by pixel.
struct Pixels {
  const CutImages& c;
  int64_t bytes = c.channels * c.item;                      // of a group's channels
  int64_t group = bytes * c.h.channels() * c.w.channels();  // of what they become
  int64_t image_pixel = bytes * c.groups, cut_pixel = group * c.groups;

  void cut_row(const char* image, int64_t row, char* to) const {
    const int64_t rows = c.h.channels(), columns = c.w.channels();
    for (int64_t r = 0; r < rows; ++r) {
      const Phase p = c.h.beside ? place_beside(c.h, row) : Phase{r, row};
      const int64_t h = element(c.h, p.phase, p.at);
      const char* from = image + h * c.w.size * image_pixel;
      for (int64_t j = 0; j < c.w.whole; ++j)
        for (int64_t s = 0; s < columns; ++s) {
          const Phase q = c.w.beside ? place_beside(c.w, j) : Phase{s, j};
          const int64_t w = h < 0 ? -1 : element(c.w, q.phase, q.at);
          char* at = to + j * cut_pixel + (r * columns + s) * bytes;
          if (w >= 0)
            copy_groups(c.groups, bytes, from + w * image_pixel, bytes, at, group);
          else
            for (int64_t g = 0; g < c.groups; ++g) std::memset(at + g * group, 0, size_t(bytes));
        }
    }
  }

  void join_row(const char* phases, int64_t h, char* to) const {
    const Target row = target(c.h, h);
    const char* from = phases + row.at * c.w.whole * cut_pixel + row.channel * c.w.channels() * bytes;
    for (int64_t w = 0; w < c.w.size; ++w) {
      const Target column = target(c.w, w);
      copy_groups(c.groups, bytes, from + column.at * cut_pixel + column.channel * bytes, group, to + w * image_pixel,
                  bytes);
    }
  }
};

// NCHW: plane by plane.
template <class S>
struct Planes {
  const CutImages& c;
  Isa isa;
  int64_t cut_plane = c.h.whole * c.w.whole;
  // Between what the phases of a row become.
  int64_t phase_stride = c.w.beside ? c.w.pitch : c.channels * cut_plane;

  // Where a channel's plane goes to, for phase r of the rows, and of the columns the first.
  int64_t cut_channel(int64_t channel, int64_t r) const {
    const int64_t g = channel / c.channels, in_group = channel % c.channels;
    return (g * c.h.channels() + r) * c.w.channels() * c.channels + in_group;
  }

  void clear(S* row, int64_t first, int64_t last) const { std::fill(row + first, row + std::max(first, last), S(0)); }

  void cut(const S* image, int64_t r, S* to) const {
    for (int64_t i = 0; i < c.h.whole; ++i, to += c.w.whole) {
      const Phase p = c.h.beside ? place_beside(c.h, i) : Phase{r, i};
      const int64_t h = element(c.h, p.phase, p.at);
      const S* from = image + h * c.w.size;
      if (h < 0) {
        for (int64_t s = 0; s < c.w.channels(); ++s) clear(to + s * phase_stride, 0, c.w.whole);
      } else if (c.w.step == 1) {
        std::copy_n(from, c.w.size, to);
        clear(to, c.w.size, c.w.whole);
      } else {
        TORCHCONV_DISPATCH_ISA(isa, cut_row, c.w, from, to, phase_stride);
        for (int64_t b = 0; c.w.beside && b < c.w.step; ++b)
          clear(to, b * c.w.pitch + c.w.length, std::min((b + 1) * c.w.pitch, c.w.whole));
      }
    }
  }

  void join(const S* phases, S* image) const {
    for (int64_t h = 0; h < c.h.size; ++h, image += c.w.size) {
      const Target row = target(c.h, h);
      const S* from = phases + row.channel * c.w.channels() * c.channels * cut_plane + row.at * c.w.whole;
      if (c.w.step == 1)
        std::copy_n(from, c.w.size, image);
      else
        TORCHCONV_DISPATCH_ISA(isa, join_row, c.w, from, phase_stride, image);
    }
  }
};

// Elements are moved as they are, whatever their type.
template <class F>
void dispatch_item(int64_t item, const F& f) {
  item == 8 ? f(uint64_t()) : item == 4 ? f(uint32_t()) : f(uint16_t());
}

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
    const Planes<S> planes{c, c.isa};
    const int64_t channels = c.image_channels(), rows = c.h.channels();
    parallel_tasks(c.N * channels * rows, threads_for(c), [&](int64_t task, int) {
      const int64_t r = task % rows, channel = task / rows % channels, n = task / rows / channels;
      planes.cut((const S*)image + (n * channels + channel) * c.h.size * c.w.size, r,
                 (S*)phases + (n * c.cut_channels() + planes.cut_channel(channel, r)) * planes.cut_plane);
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
    const Planes<S> planes{c, c.isa};
    const int64_t channels = c.image_channels();
    parallel_tasks(c.N * channels, threads_for(c), [&](int64_t task, int) {
      const int64_t channel = task % channels, n = task / channels;
      planes.join((const S*)phases + (n * c.cut_channels() + planes.cut_channel(channel, 0)) * planes.cut_plane,
                  (S*)image + task * c.h.size * c.w.size);
    });
  });
}

}  // namespace torchconv
