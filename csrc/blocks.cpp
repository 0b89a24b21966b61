#include "blocks.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <vector>

namespace torchconv {
namespace {

constexpr int64_t kPage = 64 << 10, kHugePage = 2 << 20, kMostIdle = 1 << 30;

// Of the machine, or of the container that the process is in.
int64_t memory_of_the_machine() {
  int64_t bytes = int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    int64_t limit = 0;
    if (std::ifstream(file) >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

// On huge pages where they fit: fewer faults at first, and fewer misses of the TLB ever after. That all blocks begin at
// the same place of a page makes no difference that could be measured.
Block fresh_block(int64_t bytes) {
  const int64_t size = (bytes + kPage - 1) / kPage * kPage;
  const bool huge = size >= 2 * kHugePage;
  void* data = nullptr;
  if (posix_memalign(&data, size_t(huge ? kHugePage : kPage), size_t(size))) return {nullptr, 0};
  if (huge) madvise(data, size_t(size), MADV_HUGEPAGE);
  return {data, size};
}

struct Idle {
  std::mutex mutex;
  std::vector<Block> blocks;  // in the order in which they were freed
  std::atomic<int64_t> bytes{0}, limit{std::min(kMostIdle, memory_of_the_machine() / 16)};

  void remove(std::vector<Block>::iterator at) { bytes -= at->size, blocks.erase(at); }
  void free_beyond(int64_t most) {
    while (bytes > most) std::free(blocks.front().data), remove(blocks.begin());
  }
};
// Never destroyed: tensors may outlive every static object.
Idle& idle() {
  static Idle* const idle = new Idle;
  return *idle;
}

}  // namespace

// A thread that would have to wait does without, so that a fork cannot leave a lock that nobody opens.
Block take_block(int64_t bytes) {
  Idle& all = idle();
  if (const std::unique_lock lock(all.mutex, std::try_to_lock); lock) {
    // The block that was freed last is the likeliest to be in the caches; of a larger one too much would lie idle.
    const auto fits = [&](const Block& b) { return b.size >= bytes && b.size - bytes <= bytes / 4 + kPage; };
    const auto found = std::find_if(all.blocks.rbegin(), all.blocks.rend(), fits);
    if (found != all.blocks.rend()) {
      const Block block = *found;
      all.remove(std::prev(found.base()));
      return block;
    }
  }
  return fresh_block(bytes);
}

void give_block(const Block& block) {
  Idle& all = idle();
  const std::unique_lock lock(all.mutex, std::try_to_lock);
  if (!lock || block.size > all.limit) return std::free(block.data);
  all.blocks.push_back(block), all.bytes += block.size;
  all.free_beyond(all.limit);
}

int64_t idle_memory() { return idle().bytes; }
int64_t idle_memory_limit() { return idle().limit; }
void set_idle_memory_limit(int64_t bytes) {
  Idle& all = idle();
  const std::lock_guard lock(all.mutex);
  all.limit = bytes;
  all.free_beyond(bytes);
}

}  // namespace torchconv
