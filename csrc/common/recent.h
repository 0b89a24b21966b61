// What a thread made last for 64 problems, such as a choice or a plan: a network asks for the same ones in turn.
#pragma once
#include <cstring>
#include <utility>
#include <vector>

#include "common/problem.h"

namespace torchconv {

template <class Key, class Value>
class Recent {
 public:
  // What make() returned for this problem and key. The reference holds until the next call.
  template <class Make>
  const Value& get(const Key& key, const ConvProblem& p, const Make& make) {
    // Bytes between the fields of equal problems may differ: that costs an entry and nothing else.
    for (const Entry& entry : entries_)
      if (std::memcmp(&entry.problem, &p, sizeof p) == 0 && entry.key == key) return entry.value;
    Entry made{p, key, make()};
    std::memcpy(&made.problem, &p, sizeof p);
    if (entries_.size() < kMost) return entries_.push_back(std::move(made)), entries_.back().value;
    oldest_ = (oldest_ + 1) % kMost;
    return (entries_[oldest_] = std::move(made)).value;
  }

 private:
  static constexpr size_t kMost = 64;
  struct Entry {
    ConvProblem problem;
    Key key;
    Value value;
  };
  std::vector<Entry> entries_;
  size_t oldest_ = 0;
};

}  // namespace torchconv
