#include "profile.h"

#include <dlfcn.h>

namespace torchconv {

// The stable ABI starts and ends ranges and does not say whether anybody looks; at::hasCallbacks does. It is looked up
// by name when it is first wanted, so that this library binds to no C++ symbol of torch's: a torch without it has
// ranges at all times, for 0.2 us each.
bool profiling() {
  static const auto has_callbacks = reinterpret_cast<bool (*)()>(dlsym(RTLD_DEFAULT, "_ZN2at12hasCallbacksEv"));
  return !has_callbacks || has_callbacks();
}

}  // namespace torchconv
