#pragma once

namespace kvsim {

const char* version();     ///< "0.1.0"
const char* git_commit();  ///< short commit at configure time, "-dirty" appended, or "unknown"

}  // namespace kvsim
