// Fetching ahead in channels_last. A strip is read a few channels of each pixel at a time, which no hardware prefetcher
// follows; so the next strip is fetched into the L2 cache in its order in memory, a piece at a time between the sums of
// this one: images do for every block of places, since a piece for every row keeps all of a core's requests busy
// (0.9x).
namespace torchconv::ISA_NS {

// Smaller operands may still be in the caches, and fetching them again costs up to 1.4x (192 channels at 28x28); larger
// ones gain up to 2.9x (144 at 56x56).
constexpr int64_t kAheadBytes = 5 << 20;

struct Ahead {
  const char *at = nullptr, *end = nullptr;
  int64_t piece = 0;

  Ahead() = default;  // nothing

  // What rows [begin, end) of `out` need of `in` rows of row_bytes, in `pieces`, if that is worth it. Rows of all
  // images are counted through.
  Ahead(bool wanted, const void* first, int64_t in, int64_t out, int64_t images, int64_t row_bytes, int64_t begin,
        int64_t end_row, int64_t pieces) {
    const int64_t last = wanted ? smaller(images * in, ceil_div(end_row * in, out) + 2) : 0;
    at = (const char*)first + smaller(last, begin * in / out) * row_bytes;
    end = (const char*)first + last * row_bytes;
    piece = round_up(ceil_div(end - at, pieces), 64);
  }
  void fetch() {
    const char* stop = end - at < piece ? end : at + piece;
    for (; at < stop; at += 64) __builtin_prefetch(at, 0, 2);
  }
};

}  // namespace torchconv::ISA_NS
