// How images are cut into tiles.
#pragma once
#include <algorithm>
#include <cstdint>

#include "common/gemm/gather.h"

namespace torchconv::winograd {

// What decides between the drivers; costs go by it too.
constexpr int64_t kFusedWeights = 3 << 20;      // bytes of a group's transformed weights, up to which images are fused
constexpr int64_t kMostBlock = 128;             // tiles per task, when not
constexpr int64_t kTransformedBytes = 4 << 20;  // of the tiles that a thread transforms at a time, when not
// Of a weight gradient: bytes of a group's sums up to which each split has its own; of the tiles that are transformed
// at a time beyond that (8 MiB: 1.15x to 1.3x of the time), and their least number.
constexpr int64_t kSplitSums = 1 << 20, kPartBytes = 3 << 20, kLeastPart = 112;
// Sums that stay in the caches from part to part; of the tiles of a few channels that are transformed at a time where
// they do not, and how many chunks of channels these are at the least.
constexpr int64_t kNearSums = 20 << 20, kColumnBytes = 8 << 20, kRegionChunks = 4;

// One spatial axis under F(m, r): tile i makes the m outputs from i * m on out of the n inputs from i * m + start on.
// A kernel of one tap is F(1, 1), which leaves the axis alone.
struct Side {
  int64_t m, r, tiles, start;
  int64_t n() const { return m + r - 1; }
};

struct Tiles {
  Side h, w;
  int64_t images;

  int64_t per_image() const { return h.tiles * w.tiles; }
  int64_t count() const { return images * per_image(); }
  int64_t products() const { return h.n() * w.n(); }  // of a tile
};

// Whether tools/generate_winograd.py wrote transforms for an axis of a tile.
constexpr bool has_side(int64_t m, int64_t r) {
  return r == 1 || (r == 3 && (m == 2 || m == 4 || m == 6)) || (r == 5 && (m == 2 || m == 4)) || (r == 2 && m == 4);
}

// Of stride 1 and dilation 1. grad_input meets the taps in the opposite order.
inline Side cut(const Axis& a, int64_t m) {
  const int64_t outputs = a.taps == 1 ? 1 : m;
  return {outputs, a.taps, (a.count + outputs - 1) / outputs, a.offset + std::min<int64_t>(0, (a.taps - 1) * a.delta)};
}
inline Tiles cut(const Gather& g, int64_t m) { return {cut(g.h, m), cut(g.w, m), g.N}; }

// Parts of the tiles, when not fused: a task is a panel of outputs in a part. As many as leave the busiest thread the
// least to do, in cycles of one product: a vector of channels for each tile and each output chunk of a panel, weights
// transformed for each block of a part, tiles transformed for each part that a thread meets, and moved through memory
// where they are more than kTransformedBytes (768 to 16 channels at 56x56: twice as fast in parts that are not).
inline int64_t count_parts(int64_t tiles, const Gather& g, int64_t panels, int64_t tile_bytes, int64_t threads) {
  const auto ceil = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t near = std::max<int64_t>(kTransformedBytes / tile_bytes, 28);
  int64_t best = 1, least = INT64_MAX;
  for (const int64_t most : {std::max(near, kMostBlock), near})
    for (int64_t i = 0; i < 2 * threads; ++i) {
      const int64_t parts = ceil(tiles, most) + i, part = ceil(tiles, parts);
      const int64_t share = ceil(g.groups * parts * panels, threads), met = ceil(share, panels);
      const int64_t weights = g.packed ? 0 : 12 * ceil(part, kMostBlock);
      const int64_t transformed = met * part * (part > near ? 5 : 1) / 4;
      const int64_t busiest = g.channels * (share * (part + weights) + transformed);
      if (busiest < least) best = parts, least = busiest;
    }
  return best;
}

// Of a weight gradient of many sums, where the sums of `chunks` by `outputs` chunks of `lanes` channels would go
// through memory for each part of the tiles: as many chunks of x as have room with all tiles; else 0. chunk_bytes: of a
// tile.
inline int64_t column_of_all_tiles(int64_t tiles, int64_t chunks, int64_t outputs, int64_t lanes, int64_t chunk_bytes) {
  const int64_t part = std::max(kPartBytes / (chunk_bytes * (chunks + outputs)), kLeastPart);
  const int64_t wide = kColumnBytes / (chunk_bytes * tiles);
  return tiles > part && chunks * outputs * lanes * chunk_bytes > kNearSums && wide >= kRegionChunks ? wide : 0;
}

// Tile t of all images.
struct Place {
  int64_t n, i, j;
};
inline Place place(const Tiles& tiles, int64_t t) {
  const int64_t in_image = t % tiles.per_image();
  return {t / tiles.per_image(), in_image / tiles.w.tiles, in_image % tiles.w.tiles};
}

}  // namespace torchconv::winograd
