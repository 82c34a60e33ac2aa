// Loads a trace from a text, for the tests of the readers.
#pragma once

#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/trace/format.h>

#include <string>

#include "support/process.h"

namespace kvsim_test {

inline kvsim::Trace load_text(const std::string& text, const std::string& format = "auto",
                              uint32_t block_size = 0) {
    TempDir dir;
    kvsim::LoadOptions options;
    options.path = dir.write("t", text);
    options.format = format;
    options.block_size = block_size;
    return kvsim::load_trace(options);
}

/// What loading says about the text, from ":line:column" on; "loads" if it has no complaint.
inline std::string complaint(const std::string& text, const std::string& format = "auto",
                             uint32_t block_size = 0) {
    TempDir dir;
    kvsim::LoadOptions options;
    options.path = dir.write("t", text);
    options.format = format;
    options.block_size = block_size;
    try {
        kvsim::load_trace(options);
    } catch (const kvsim::Error& e) {
        CHECK(e.kind() == kvsim::ErrorKind::input);
        std::string message = e.what();
        CHECK(message.find('\n') == std::string::npos);
        return message.rfind(options.path, 0) == 0 ? message.substr(options.path.size()) : message;
    }
    return "loads";
}

/// The text as gzip packs it.
inline std::string gzipped(const std::string& text) { return run_program("gzip", {"-c"}, text).out; }

inline bool begins(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

/// doctest shows the whole complaint when it begins with something else.
#define CHECK_COMPLAINT(text, expected)                 \
    do {                                                \
        std::string said = kvsim_test::complaint(text); \
        CAPTURE(said);                                  \
        CHECK(kvsim_test::begins(said, expected));      \
    } while (false)

/// Ids of the blocks a request looks up, and stores.
inline std::vector<uint32_t> ids_of(const kvsim::Trace& t, uint32_t row) {
    std::vector<uint32_t> ids;
    for (uint32_t i = 0; i < t.chains[row].length; ++i) ids.push_back(t.chains.block_at(row, i));
    return ids;
}
inline std::vector<uint32_t> lookup_ids(const kvsim::Trace& t, uint32_t r) {
    return ids_of(t, t.lookup_row(r));
}
inline std::vector<uint32_t> stored_ids(const kvsim::Trace& t, uint32_t r) {
    return ids_of(t, t.stored_row(r, true));
}

}  // namespace kvsim_test
