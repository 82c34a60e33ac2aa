// For the tests of generators: a generated trace as text, what an unlimited replay of it hits, and errors.
#pragma once

#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/output_file.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/writer.h>

#include <map>
#include <string>
#include <vector>

#include "support/process.h"

namespace kvsim_test {

inline std::string text_of(const kvsim::Trace& trace) {
    TempDir dir;
    kvsim::OutputFile out(dir.path("t"));
    kvsim::write_trace(trace, "kvsim", out);
    out.commit();
    return read_file(dir.path("t"));
}

/// What generating it says; "no error" if nothing.
inline std::string error_of_spec(const std::string& spec) {
    try {
        kvsim::generate_trace(spec, 1);
    } catch (const kvsim::Error& e) {
        CHECK(e.kind() == kvsim::ErrorKind::input);
        return e.what();
    }
    return "no error";
}

/// Leading hits of each request with room for everything.
inline std::vector<uint32_t> unlimited_hits_of(const kvsim::Trace& trace) {
    kvsim::RunOptions options;
    auto cache = kvsim::make_prefix_cache("lru", kvsim::Accounting::parse("pinned"), trace, options,
                                          kvsim::RunPath::blocks);
    kvsim::RunResult run;
    cache->run(trace, options, run);
    return run.hit_blocks;
}

/// Numbers blocks as they first appear: each is all tokens up to its last one.
class NaiveBlocks {
  public:
    /// Ids of the blocks of `tokens`; the partly filled last one too if `partial`.
    std::vector<uint32_t> ids(const std::vector<uint64_t>& tokens, uint64_t block_size, bool partial) {
        std::vector<uint32_t> out;
        for (uint64_t end = block_size; end < tokens.size() + (partial ? block_size : 1); end += block_size) {
            std::vector<uint64_t> name(tokens.begin(),
                                       tokens.begin() + static_cast<long>(std::min<uint64_t>(end, tokens.size())));
            out.push_back(numbers_.emplace(name, static_cast<uint32_t>(numbers_.size())).first->second);
        }
        return out;
    }

  private:
    std::map<std::vector<uint64_t>, uint32_t> numbers_;
};

}  // namespace kvsim_test
