// How groups share vectors. A unit is what is summed at once: several groups, whose results lie side by side in one
// vector; or one group, whose results take one vector or more.
#pragma once
#include <algorithm>
#include <cstdint>

namespace torchconv::grouped {

struct Units {
  int64_t groups, sources, results;  // of all; channels in each
  int64_t lanes;                     // of a vector
  int64_t together, count;           // groups in a unit; units
  // Vectors of sources at each place and of results. Where groups stand together, plane m holds sources
  // [m * results, (m + 1) * results) of each group, in the lanes of its results.
  int64_t planes, blocks;

  Units(int64_t groups, int64_t sources, int64_t results, int64_t lanes, bool can_spread)
      : groups(groups), sources(sources), results(results), lanes(lanes) {
    together = can_spread ? std::max<int64_t>(1, lanes / results) : 1;
    count = (groups + together - 1) / together;
    planes = spread() ? (sources + results - 1) / results : (sources + lanes - 1) / lanes;
    blocks = (results + lanes - 1) / lanes;
  }

  // Whether a lane takes in the sources of its own group alone, by a permutation; else one source goes to all lanes.
  bool spread() const { return together > 1; }
  int64_t sources_in_plane() const { return spread() ? results : sources; }

  int64_t first_group(int64_t unit) const { return unit * together; }
  int64_t groups_in(int64_t unit) const { return std::min(together, groups - first_group(unit)); }

  // The channel that is a lane of a unit's sources, or of its results; -1 for a lane without one.
  int64_t source_at(int64_t unit, int64_t plane, int64_t lane) const {
    const int64_t group = spread() ? lane / results : 0;
    const int64_t i = spread() ? plane * results + lane % results : plane * lanes + lane;
    return group < groups_in(unit) && i < sources ? (first_group(unit) + group) * sources + i : -1;
  }
  int64_t result_at(int64_t unit, int64_t block, int64_t lane) const {
    return lane < results_in(unit, block) ? first_result(unit, block) + lane : -1;
  }
  // The results of a block are neighbours.
  int64_t first_result(int64_t unit, int64_t block) const { return first_group(unit) * results + block * lanes; }
  int64_t results_in(int64_t unit, int64_t block) const {
    return std::min(lanes, groups_in(unit) * results - block * lanes);
  }
};

}  // namespace torchconv::grouped
