// Memory for large results. What a result leaves when it is freed stays here for the next one: fresh memory comes from
// the system page by page, which took half of the time of a frozen MobileNetV2 at batch 8.
#pragma once
#include <cstdint>

namespace torchconv {

// Smaller ones malloc keeps itself.
constexpr int64_t kLeastBlock = 1 << 20;

struct Block {
  void* data;
  int64_t size;  // in bytes
};

// A block of `bytes` or somewhat more; its data is null if there is no room.
Block take_block(int64_t bytes);
void give_block(const Block&);

// Bytes of free blocks; and the most of them, beyond which the oldest go back to the system.
int64_t idle_memory();
int64_t idle_memory_limit();
void set_idle_memory_limit(int64_t bytes);

}  // namespace torchconv
