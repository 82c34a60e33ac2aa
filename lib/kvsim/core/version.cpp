#include <kvsim/core/version.h>

namespace kvsim {

const char* version() { return KVSIM_VERSION; }
const char* git_commit() { return KVSIM_GIT; }

}  // namespace kvsim
