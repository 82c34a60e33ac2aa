// Input formats: one file and one registry row each. A reader turns lines into rows of a Trace.
#pragma once

#include <kvsim/core/registry.h>
#include <kvsim/core/spec.h>
#include <kvsim/trace/json_reader.h>
#include <kvsim/trace/line_source.h>
#include <kvsim/trace/path_interner.h>
#include <kvsim/trace/trace.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvsim {

inline constexpr uint64_t kMaxTokens = 2147483647;    ///< longest prompt or output a request may have
inline constexpr double kMaxSeconds = 1e12;          ///< latest arrival
inline constexpr uint32_t kMaxBlockSize = 1u << 30;  ///< tokens per block

/// Reading problems, collected instead of thrown (`trace validate`). Full = stop reading.
struct ProblemList {
    size_t limit = 20;
    std::vector<std::string> lines;
    bool full() const { return lines.size() >= limit; }
};

class FormatReader {
  public:
    virtual ~FormatReader() = default;
    /// Reads one source to its end. Throws Error(input) at the first problem unless `problems` is given.
    virtual void read(LineSource& source, Trace& trace, ProblemList* problems) = 0;
    /// After the last source: completes the trace (block size, tables). May throw Error(input).
    virtual void finish(Trace& trace) = 0;
    /// True if rows are requests that are sorted by arrival (stable); false if file order is the order.
    virtual bool sorted_by_arrival() const { return true; }
    /// Block size to use when the user gives none; 0 = the one the chains have.
    virtual uint32_t default_block_size() const { return 0; }
};

inline constexpr uint32_t kDefaultBlockSize = 16;  ///< where a source has no blocks of its own

/// The first JSON object of a source: its keys and the first character of each value.
using Head = std::map<std::string, char>;

struct FormatRow {
    std::string id;
    std::string summary;
    std::string ids;         ///< what ids name: "prefixes", "content", "prefixes or tokens"
    std::string parameters;  ///< "key=default ..." or empty
    bool (*matches)(const Head& head);
    std::unique_ptr<FormatReader> (*make)(Spec& spec);
    /// For sources that do not begin with a JSON object: does their first line say that they are of this format?
    bool (*matches_line)(std::string_view line) = nullptr;
    /// For binary sources, which have no lines; asked first. `name`: the file's, without folders; `first`: its first
    /// kPeek bytes, or all of them.
    bool (*matches_file)(std::string_view name, std::string_view first) = nullptr;
    static constexpr size_t kPeek = 64;
};

/// Rows in the order in which detection asks them.
Registry<FormatRow>& trace_formats();

FormatRow mooncake_format();
FormatRow kvsim_format();
FormatRow kv_cache_tester_format();
FormatRow ragpulse_format();
FormatRow azure_format();
FormatRow burstgpt_format();
FormatRow vidur_format();
FormatRow text_format();
FormatRow bailian_format();
FormatRow dynamo_format();
FormatRow lmcache_format();
FormatRow oracle_general_format();
FormatRow object_csv_format();

/// Runs `line` on every line that is not blank; with `problems`, keeps what it throws and goes on.
void for_each_line(LineSource& source, ProblemList* problems, const std::function<void()>& line);

/// The same for logs that are still being written: a last line without line end that is no whole JSON text is dropped,
/// with a note.
void for_each_log_line(LineSource& source, ProblemList* problems, Trace& trace, const std::function<void()>& line);

/// The keys of the source's first JSON object; its line is put back. An object that is written over several lines is
/// put back as one.
Head read_head(LineSource& source);

/// Why a trace is read as it is, in words.
struct LoadReasons {
    std::string format;      ///< "the keys hash_ids, timestamp"; empty where it was given
    std::string block_size;  ///< "the trace's own"
};

struct LoadOptions {
    std::string path;           ///< file, directory, or "-"
    std::string format = "auto";  ///< spec
    uint64_t limit = ~uint64_t{0};  ///< first requests after sorting
    uint32_t block_size = 0;        ///< re-block; 0 = the trace's own
    bool link_outputs = false;      ///< name outputs by the next turn's prompt
    uint32_t* asked_block_size = nullptr;  ///< receives the size to use; then the trace keeps its own
    bool digest = false;
    ProblemList* problems = nullptr;
    LoadReasons* reasons = nullptr;
    std::atomic<uint64_t>* progress = nullptr;  ///< bytes read so far, decompressed
};

/// Reads, sorts, limits, links, re-blocks. Throws Error.
Trace load_trace(const LoadOptions& options);

}  // namespace kvsim
