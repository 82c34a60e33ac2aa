// For generators of event traces: says what happens, event by event, and gets the trace with its chains. Prompts
// share nothing with each other; a fork's child holds what its parent has then, as the reader of the native
// format has it.
#pragma once

#include <kvsim/trace/trace.h>

#include <cstdint>
#include <string>

namespace kvsim {

class EventBuilder {
  public:
    /// `named_output`: the blocks that decoding completes have names, so forks share them under every layout.
    EventBuilder(uint64_t block_size, bool named_output);

    uint32_t prompt(const std::string& name, uint64_t at_ms, uint64_t tokens);
    uint32_t fork(uint32_t parent, const std::string& child, uint64_t at_ms);
    void decode(uint32_t sequence, uint64_t tokens);
    void free(uint32_t sequence);
    /// Call once, last.
    Trace finish();

  private:
    uint32_t start(const std::string& name, uint64_t at_ms, uint64_t tokens);
    Trace trace_;
    bool named_output_;
};

/// Throws Error(input) if a generator is about to make more events than a trace should have.
void check_events(const std::string& kind, unsigned __int128 events);

}  // namespace kvsim
