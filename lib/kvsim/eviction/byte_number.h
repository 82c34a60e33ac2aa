// Numbers below 256 in arrays of bytes. Writing a plain byte makes compilers read everything else again, since bytes may
// be part of anything; writing an enumeration of the same size does not.
#pragma once

#include <cstdint>

namespace kvsim {

enum ByteNumber : uint8_t {};

}  // namespace kvsim
