#include <kvsim/core/digest.h>
#include <kvsim/core/units.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/link_outputs.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

namespace kvsim {

namespace fs = std::filesystem;

Registry<FormatRow>& trace_formats() {
    static Registry<FormatRow> registry = [] {
        Registry<FormatRow> r("trace format");
        r.add(kvsim_format());
        r.add(ragpulse_format());
        r.add(bailian_format());
        r.add(mooncake_format());
        r.add(kv_cache_tester_format());
        r.add(azure_format());
        r.add(burstgpt_format());
        r.add(vidur_format());
        r.add(dynamo_format());
        r.add(lmcache_format());
        r.add(text_format());
        r.add(oracle_general_format());
        r.add(object_csv_format());
        return r;
    }();
    return registry;
}

void for_each_line(LineSource& source, ProblemList* problems, const std::function<void()>& line) {
    while (source.next()) {
        if (source.line().find_first_not_of(" \t\r") == std::string_view::npos) continue;
        if (problems == nullptr) {
            line();
            continue;
        }
        try {
            line();
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::input) throw;
            problems->lines.emplace_back(e.what());
            if (problems->full()) return;
        }
    }
}

static bool is_json(LineSource& source) {
    try {
        JsonReader probe;
        probe.open_object(source.line(), source.capacity(), source.here());
        std::string_view key;
        while (probe.next_field(key)) probe.skip();
        probe.finish();
        return true;
    } catch (const Error&) {
        return false;
    }
}

void for_each_log_line(LineSource& source, ProblemList* problems, Trace& trace, const std::function<void()>& line) {
    for_each_line(source, problems, [&] {
        try {
            line();
        } catch (const Error&) {
            if (source.terminated() || is_json(source)) throw;
            trace.notes.push_back(source.here().str() + ": the last line is incomplete and was dropped");
        }
    });
}

// A first line such as "{" or "{"id": 1," begins a JSON text that is written over several lines.
static bool goes_on(std::string_view line) {
    size_t last = line.find_last_not_of(" \t\r");
    return line.size() < 4096 && last != std::string_view::npos && std::string_view("{[,:").find(line[last]) != std::string_view::npos;
}

// Keys of the outermost object: enough of JSON to find them in a text that may be broken further on.
static Head keys_of(std::string_view text, size_t first) {
    Head head;
    int depth = 0;
    std::string key;
    for (size_t i = first; i < text.size() && head.size() < 4096; ++i) {
        char c = text[i];
        if (c == '"') {
            size_t end = i + 1;
            while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
            if (depth == 1 && key.empty() && end < text.size()) key = std::string(text.substr(i + 1, end - i - 1));
            i = end;
        } else if (c == ':' && depth == 1) {
            size_t value = text.find_first_not_of(" \t\r\n", i + 1);
            head[key] = value == std::string_view::npos ? ' ' : text[value];
        } else if (c == ',' && depth == 1) {
            key.clear();
        } else if (c == '{' || c == '[') {
            // Long arrays of numbers are not worth a look at each character.
            size_t end = c == '[' ? text.find_first_of("]\"{[", i + 1) : std::string_view::npos;
            if (end != std::string_view::npos && text[end] == ']') {
                i = end;
            } else {
                ++depth;
            }
        } else if (c == '}' || c == ']') {
            if (--depth == 0) return head;
        }
    }
    return head;
}

Head read_head(LineSource& source) {
    while (source.next()) {
        size_t first = source.line().find_first_not_of(" \t\r");
        if (first == std::string_view::npos) continue;
        if (source.line()[first] == '{' && goes_on(source.line())) source.whole();
        source.unread();
        return source.line()[first] == '{' ? keys_of(source.line(), first) : Head{};
    }
    return {};
}

static std::vector<std::string> files_of(const std::string& path) {
    std::error_code error;
    if (path == "-" || !fs::is_directory(path, error)) return {path};
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path, error)) {
        std::string name = entry.path().filename().string();
        if (entry.is_regular_file() && name[0] != '.') files.push_back(entry.path().string());
    }
    if (error) throw_io(path + ": cannot read the directory: " + error.message());
    if (files.empty()) throw_input(path + ": the directory has no files; expected the shards of a trace");
    std::sort(files.begin(), files.end());
    return files;
}

// `why`: what told it.
static const FormatRow& detect(LineSource& source, std::string& why) {
    std::string name = fs::path(source.name()).filename().string();
    why = "the file's name or its first bytes";
    for (const FormatRow& row : trace_formats().rows())
        if (row.matches_file && row.matches_file(name, source.peek(FormatRow::kPeek))) return row;
    Head head = read_head(source);
    if (head.count("schema_version") != 0 && head.count("kind") != 0)
        throw_input(source.name() + ": is a report of kvsim, not a trace; to hold a newer report against it type: " +
                    "kvsim check NEW --baseline " + source.name());
    std::string_view line;
    if (head.empty() && source.next()) {
        line = source.line();
        source.unread();
    }
    std::vector<std::string> keys;
    for (const auto& [key, first] : head) keys.push_back(printable(key.substr(0, 40)));
    why = head.empty() ? "the first line" : "the keys " + join(keys) + " of the first line";
    for (const FormatRow& row : trace_formats().rows())
        if (head.empty() ? row.matches_line && row.matches_line(line) : row.matches(head)) return row;
    if (source.bytes() == 0) throw_input(source.name() + ": is empty; expected a trace");
    if (head.empty() && !source.next()) throw_input(source.name() + ": has only blank lines; expected a trace");
    throw_input(source.name() + ":" + std::to_string(std::max<uint64_t>(1, source.number())) +
                ": cannot tell the trace format" +
                (!keys.empty() ? " from the keys " + join(keys)
                 : line.substr(0, 1) == "{" ? " (the first line is a JSON object without keys)"
                                            : " (the first line is neither a JSON object nor the header of a known table)") +
                "; give --format, one of: " + join(trace_formats().ids()));
}

static void sort_by_arrival(Trace& trace) {
    if (std::is_sorted(trace.arrival_s.begin(), trace.arrival_s.end())) return;
    std::vector<uint32_t> order(trace.requests());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return trace.arrival_s[a] < trace.arrival_s[b]; });
    trace.select(order);
}

static void limit_requests(Trace& trace, uint64_t limit) {
    if (trace.requests() <= limit) return;
    std::vector<uint32_t> order(limit);
    std::iota(order.begin(), order.end(), 0u);
    trace.select(order);
}

Trace load_trace(const LoadOptions& options) {
    Trace trace;
    std::unique_ptr<FormatReader> reader;
    std::vector<std::string> files = files_of(options.path);
    std::string digests;
    for (const std::string& file : files) {
        LineSource source(file, options.digest, options.progress);
        if (!reader) {
            Spec spec = Spec::parse(options.format);
            std::string why;
            const FormatRow& row = spec.id() == "auto" ? detect(source, why) : trace_formats().get(spec.id());
            if (options.reasons) options.reasons->format = why;
            trace.format = row.id;
            reader = row.make(spec);
            spec.finish();
        }
        reader->read(source, trace, options.problems);
        if (options.problems && options.problems->full()) break;
        if (options.digest) digests += source.sha256();
    }
    if (trace.name.empty()) {
        fs::path path(options.path == "-" ? "stdin" : options.path);
        if (!path.has_filename()) path = path.parent_path();
        trace.name = path.filename().string();
    }
    if (options.problems && !options.problems->lines.empty()) return trace;
    if (trace.requests() == 0) {
        throw_input((options.path == "-" ? "<stdin>" : options.path) + ": has no requests; expected at least one" +
                    (trace.notes.empty() ? "" : " (" + trace.notes.back() + ")"));
    }
    reader->finish(trace);
    if (files.size() > 1 && options.digest) {  // of several files: the digest of their digests, in name order
        Sha256 all;
        all.update(digests.data(), digests.size());
        digests = all.finish();
    }
    trace.sha256 = digests;
    if (reader->sorted_by_arrival()) sort_by_arrival(trace);
    limit_requests(trace, options.limit);
    if (options.link_outputs) {
        LinkedOutputs linked = link_outputs(trace);
        trace.linked_outputs = linked.linked;
        trace.notes.push_back(linked.note);
    }
    uint32_t block_size = options.block_size != 0 ? options.block_size : reader->default_block_size();
    if (options.reasons)
        options.reasons->block_size = options.block_size != 0 ? "as asked for"
                                      : block_size != 0       ? "the default, as the trace has no blocks of its own"
                                                              : "the trace's own";
    if (block_size == 0) block_size = trace.block_size;
    if (options.asked_block_size != nullptr) {
        *options.asked_block_size = block_size;
    } else {
        trace.reblock_to(block_size);
    }
    return trace;
}

}  // namespace kvsim
