// How images are cut into what stands in the workspace at once: some rows of some units, as padded rows of vectors.
#pragma once
#include "common/axis.h"
#include "grouped/units.h"

namespace torchconv::grouped {

// Of one thread, so that it stays in an L2 cache of 512 KiB; and what supports() refuses beyond.
constexpr int64_t kStripBytes = 384 << 10, kMostStripBytes = 8 << 20;

// Rows of the result of some units of an image, and the rows of the source that they take.
struct Strip {
  int64_t n;
  Range units, to, from;
};

struct Strips {
  int64_t pad, width;     // zeros before a row of the source; places with those and the zeros behind
  int64_t rows, reach;    // of the result that are worked on at a time; of the source that they take
  int64_t units, chunks;  // that are worked on at a time; of those
  int64_t count;          // of strips of an image

  // result_planes: vectors of results that stand there too, at each place. One unit at a time in NCHW, where its
  // channels are planes of their own; in channels_last as many as fit, since pixels are read from end to end.
  Strips(const Axis& h, const Axis& w, const Units& u, int64_t N, int64_t result_planes, int64_t item, int threads,
         bool nhwc) {
    pad = w.adjoint ? 0 : std::max<int64_t>(0, w.pad);
    for (int64_t a = 0; a < w.phases(); ++a)
      if (const Phase f = w.phase(a); f.taps) pad = std::max(pad, -f.first);
    width = pad + w.in;
    for (int64_t a = 0; a < w.phases(); ++a)
      if (const Phase f = w.phase(a); f.taps)
        width = std::max(width, pad + (f.count - 1) * f.stride + f.last_offset() + 1);
    const int64_t source = width * u.planes * u.lanes * item, result = w.out * result_planes * u.lanes * item;
    const auto bytes = [&](int64_t n) { return double(reach_of(h, n)) * double(source) + double(n) * double(result); };
    const auto rows_of = [&](int64_t units) {  // the most that fit, if any do
      int64_t n = h.out;
      while (n > 1 && bytes(n) * double(units) > double(kStripBytes)) n = (n + 1) / 2;
      return n;
    };
    // Few rows would be read again and again for those around them.
    const int64_t enough = std::min<int64_t>(h.out, 4 * (h.adjoint ? h.stride : 1));
    units = nhwc ? u.count : 1;
    while (units > 1 && rows_of(units) < enough) units = (units + 1) / 2;
    rows = rows_of(units), reach = reach_of(h, rows), count = (h.out + rows - 1) / rows;
    while (units > 1 && N * count * ((u.count + units - 1) / units) < 4 * threads) units = (units + 1) / 2;
    chunks = (u.count + units - 1) / units;
    rows = (h.out + count - 1) / count, reach = reach_of(h, rows);
  }

  Strip at(const Axis& h, const Units& u, int64_t n, int64_t chunk, int64_t strip) const {
    const Range to{strip * rows, std::min((strip + 1) * rows, h.out)};
    return {n, {chunk * units, std::min((chunk + 1) * units, u.count)}, to, rows_between(h, to.begin, to.end)};
  }

  static int64_t reach_of(const Axis& h, int64_t rows) {
    const int64_t taps = (h.kernel - 1) * h.dil;
    return std::min(h.in, h.adjoint ? (rows + taps) / h.stride + 3 : (rows - 1) * h.stride + taps + 1);
  }

  // Elements of a unit's sources, with room for so many places behind the last. An odd number of vectors, so that
  // those of one place do not all fall into the same few sets of the L1 cache.
  int64_t source_size(const Units& u, int64_t places) const {
    return (((reach * width + places) * u.planes) | 1) * u.lanes;
  }
};

}  // namespace torchconv::grouped
