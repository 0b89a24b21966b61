// Which taps meet the image. Under a large dilation, or on a small map, many meet padding alone: of 3x3 taps with
// dilation 36 on 65x65, three fifths. Pixels are cut into rectangles, all of whose pixels meet the same taps, and each
// is a product over those taps, in channels_last.
#pragma once
#include <algorithm>
#include <vector>

#include "common/gemm/gather.h"

namespace torchconv {

// The pixels [first, end) of an axis that tap i meets the image from.
struct PixelRange {
  int64_t first, end;
};
inline PixelRange pixels_of_tap(const Axis& a, int64_t i) {
  const int64_t at = a.offset + i * a.delta;
  const auto before = [&](int64_t source) {  // pixels whose sources are smaller
    return std::clamp<int64_t>(source > at ? (source - at + a.step - 1) / a.step : 0, 0, a.count);
  };
  return {before(0), before(a.source)};
}

// The taps [first, end) that any pixel meets the image by; one of them, all padding, if there is none.
struct TapRange {
  int64_t first, end;
};
inline TapRange taps_met(const Axis& a) {
  TapRange met{a.taps, 0};
  for (int64_t i = 0; i < a.taps; ++i)
    if (const PixelRange of = pixels_of_tap(a, i); of.first < of.end)
      met = {std::min(met.first, i), std::max(met.end, i + 1)};
  return met.first < met.end ? met : TapRange{0, 1};
}

// The axis in parts, in each of which all pixels meet the same taps.
inline std::vector<Axis> cut(const Axis& a) {
  constexpr int64_t most_taps = 7;  // each may begin two parts
  std::vector<int64_t> at{0, a.count};
  for (int64_t i = 0; i < a.taps && a.taps <= most_taps; ++i)
    for (int64_t p : {pixels_of_tap(a, i).first, pixels_of_tap(a, i).end}) at.push_back(p);
  std::sort(at.begin(), at.end());
  at.erase(std::unique(at.begin(), at.end()), at.end());
  std::vector<Axis> parts;
  for (size_t i = 0; i + 1 < at.size(); ++i) {
    parts.push_back(a);
    parts.back().count = at[i + 1] - at[i];
    parts.back().offset += at[i] * a.step, parts.back().dst_first += at[i] * a.dst_every;
  }
  return parts;
}

// How many of its taps a pixel meets, of all.
inline double share_met(const Axis& a) {
  int64_t met = 0;
  for (int64_t i = 0; i < a.taps; ++i) met += pixels_of_tap(a, i).end - pixels_of_tap(a, i).first;
  return double(met) / double(std::max<int64_t>(a.taps * a.count, 1));
}

// What the products of a Gather cost: those of a part of few pixels take as long as of 28, to read their weights.
inline double pixel_taps(const Gather& g) {
  const TapRange r = taps_met(g.h), s = taps_met(g.w);
  return std::max<double>(double(g.pixels()), 28) * double((r.end - r.first) * (s.end - s.first));
}

// The rectangles; g alone where they would save less than a fifth.
constexpr double kWorthCutting = 0.8;
inline std::vector<Gather> cut_by_taps(const Gather& g, int64_t chunk) {
  const bool able = g.layout == Layout::nhwc && g.channels % chunk == 0 && g.d.taps == 1;
  if (!able || share_met(g.h) * share_met(g.w) > kWorthCutting) return {g};
  std::vector<Gather> parts;
  double sum = 0;
  for (const Axis& h : cut(g.h))
    for (const Axis& w : cut(g.w)) {
      parts.push_back(g);
      parts.back().h = h, parts.back().w = w;
      sum += pixel_taps(parts.back());
    }
  return sum < kWorthCutting * pixel_taps(g) ? parts : std::vector<Gather>{g};
}

inline bool any_met(const Gather& g, int64_t first, int64_t end) {  // of the taps [first, end)
  const TapRange r = taps_met(g.h), s = taps_met(g.w);
  for (int64_t tap = first; tap < end; ++tap) {
    const int64_t i = tap / g.w.taps, j = tap % g.w.taps;
    if (i >= r.first && i < r.end && j >= s.first && j < s.end) return true;
  }
  return false;
}

// The depths of the taps that are met, in channels_last: `runs` times [first, first + length), `every` apart.
struct Reach {
  int64_t first, length, every, runs;
};
inline Reach whole_reach(const Gather& g) { return {0, g.depth(), 0, 1}; }
inline Reach reach_of(const Gather& g) {
  const TapRange r = taps_met(g.h), s = taps_met(g.w);
  const int64_t row = g.w.taps * g.channels, rows = r.end - r.first, columns = s.end - s.first;
  if (columns == g.w.taps) return {r.first * row, rows * row, 0, 1};
  return {r.first * row + s.first * g.channels, columns * g.channels, row, rows};
}

}  // namespace torchconv
