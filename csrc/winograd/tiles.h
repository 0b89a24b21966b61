// How images are cut into tiles.
#pragma once
#include <algorithm>
#include <cstdint>

#include "common/gemm/gather.h"

namespace torchconv::winograd {

// What decides between the drivers; costs go by it too.
constexpr int64_t kFusedWeights = 3 << 20;  // bytes of a group's transformed weights, up to which images are fused
constexpr int64_t kBlockBytes = 256 << 10;  // of a block's transformed tiles and sums, when fused
constexpr int64_t kMostBlock = 128;         // tiles that are multiplied at a time, when not
constexpr int64_t kWeightChunkBytes = 320 << 10;  // of the weights that are transformed at a time, when not
// Channels that are summed in one chain: errors grow with the root of its length. 2,048 channels at 14x14, prepared
// weights, winograd5: 2.1e-5 in one chain, and 4e-6 so.
constexpr int64_t kMostChain = 128;
constexpr int64_t kTransformedBytes = 4 << 20;  // of a thread's transformed tiles that stay near, when not
constexpr int64_t kMostTransformed = 12 << 20;  // and of those that do not, at the most
// Of a weight gradient: bytes of a group's sums up to which each split has its own; of the tiles that a thread
// transforms at a time beyond that (8 MiB: 1.15x to 1.3x of the time), and their least number.
constexpr int64_t kSplitSums = 1 << 20, kPartBytes = 3 << 20, kLeastPart = 112;
// Sums that stay in the caches from part to part; of the tiles of a few channels that are transformed at a time where
// they do not, and how many chunks of channels these are at the least.
constexpr int64_t kNearSums = 20 << 20, kColumnBytes = 8 << 20, kRegionChunks = 4;

inline int64_t ceil_of(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
  return r == 1 || (r == 3 && (m == 2 || m == 4 || m == 5 || m == 6)) || (r == 5 && (m == 2 || m == 4)) ||
         (r == 2 && m == 4);
}

// Of stride 1 and dilation 1. grad_input meets the taps in the opposite order.
inline Side cut(const Axis& a, int64_t m) {
  const int64_t outputs = a.taps == 1 ? 1 : m;
  return {outputs, a.taps, (a.count + outputs - 1) / outputs, a.offset + std::min<int64_t>(0, (a.taps - 1) * a.delta)};
}
inline Tiles cut(const Gather& g, int64_t m) { return {cut(g.h, m), cut(g.w, m), g.N}; }

// Tiles of a block when fused, of `rows` at a time; tile_bytes: transformed, and its sums.
inline int64_t fused_block(int64_t tile_bytes, int64_t rows) {
  return std::max<int64_t>(kBlockBytes / tile_bytes / rows, 1) * rows;
}
// Channels whose weights are transformed at a time, when not fused.
inline int64_t chain_of_weights(int64_t products, int64_t panel_bytes, int64_t lanes) {
  return std::max<int64_t>(kWeightChunkBytes / (products * panel_bytes) / lanes, 1) * lanes;
}
inline bool is_fused(int64_t weights_bytes, int64_t tiles, int64_t block, int64_t groups, int64_t threads) {
  return weights_bytes <= kFusedWeights && tiles * groups >= 2 * threads * block;
}

// Which parts of the tiles, of `panels` tasks each, the busiest thread meets: its share may begin within one.
inline int64_t parts_met(int64_t share, int64_t panels) {
  return ceil_of(share, panels) + (share % panels != 0 && panels % share != 0);
}

// Parts of the tiles, when not fused: a task is a panel of outputs in a part. As many as leave the busiest thread the
// least to do, in cycles of one product and channel: 1 for each tile, 12 to transform the weights for each block, a
// quarter to transform a tile for each part that is met, and 1 to move it through memory where the part does not stay
// near (768 to 16 channels at 56x56: twice as fast in parts that do).
inline int64_t count_parts(int64_t tiles, int64_t groups, int64_t panels, int64_t tile_bytes, int64_t threads,
                           bool packed) {
  const int64_t near = std::max<int64_t>(kTransformedBytes / tile_bytes, 28);
  const int64_t most = std::max(near, std::min(kMostTransformed / tile_bytes, kMostBlock));
  int64_t best = 1, least = INT64_MAX;
  const auto consider = [&](int64_t parts) {
    const int64_t part = ceil_of(tiles, parts), share = ceil_of(groups * parts * panels, threads);
    const int64_t weights = packed ? 0 : 12 * ceil_of(part, kMostBlock);
    const int64_t transformed = parts_met(share, panels) * part * (part > near ? 5 : 1) / 4;
    const int64_t busiest = share * (part + weights) + transformed;
    if (busiest < least) best = parts, least = busiest;
  };
  // From where parts are large enough, and from where they stay near; enough for every thread to have a task.
  const int64_t tries = 8 + ceil_of(threads, groups * panels);
  const int64_t fewest = ceil_of(tiles, most), from = ceil_of(tiles, near);
  for (int64_t parts = fewest; parts < fewest + tries && parts <= tiles; ++parts) consider(parts);
  for (int64_t parts = std::max(from, fewest + tries); parts < from + tries && parts <= tiles; ++parts) consider(parts);
  return best;
}

// Tiles of a part of a weight gradient of many sums, whose thread has all of x's chunks and `panel` of grad_y's.
inline int64_t tiles_of_part(int64_t chunks, int64_t panel, int64_t chunk_bytes) {
  return std::max(kPartBytes / (chunk_bytes * (chunks + panel)), kLeastPart);
}
// Where the sums of `chunks` by `outputs` chunks of `lanes` channels would go through memory for each part: as many
// chunks of x as have room with all tiles; else 0. chunk_bytes: of a tile.
inline int64_t column_of_all_tiles(int64_t tiles, int64_t part, int64_t chunks, int64_t outputs, int64_t lanes,
                                   int64_t chunk_bytes) {
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
