// oracleGeneral, the binary trace of libCacheSim (1a1a11a/libCacheSim): nothing but records of 24 bytes,
// little endian:
//   u32 time in seconds, u64 object id, u32 size in bytes, i64 number of the record that accesses the object
//   next
// Records are numbered from 1, and -1 (or the largest number) says that there is no next access. What comes
// next is worked out again from the ids, so that field only tells whether the bytes are such records at all:
// no other content has small numbers there. Nothing at the start of a file says what it is; by itself only a
// file that is named so is read so.
#include <kvsim/core/spec.h>
#include <kvsim/trace/object_reader.h>
#include <kvsim/trace/oracle_record.h>

#include <algorithm>
#include <cctype>

namespace kvsim {
namespace {

class OracleGeneralReader : public ObjectReader {
  public:
    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        reserve(trace, source.size_hint() / OracleRecord::kBytes);
        uint64_t number = 0;  // of records before
        for (;;) {
            std::string_view bytes = source.next_records(OracleRecord::kBytes);
            if (bytes.size() < OracleRecord::kBytes) {
                if (bytes.empty()) return;
                return complain(source, problems,
                                "has " + std::to_string(source.bytes()) +
                                    " bytes, no multiple of 24: the last record is cut off");
            }
            if (!take(source, bytes, number, trace, problems)) return;
            number += bytes.size() / OracleRecord::kBytes;
        }
    }

  private:
    static void complain(const LineSource& source, ProblemList* problems, const std::string& message) {
        std::string line = source.name() + ": " + message;
        if (problems == nullptr) throw_input(line);
        problems->lines.push_back(std::move(line));
    }

    // False once there are enough problems.
    bool take(const LineSource& source, std::string_view bytes, uint64_t number, Trace& trace,
              ProblemList* problems) {
        constexpr size_t kAhead = 16;
        size_t count = bytes.size() / OracleRecord::kBytes;
        uint32_t row = extend(trace, count);
        for (size_t i = 0; i < count; ++i) {
            if (i + kAhead < count) rows_.prefetch(OracleRecord::at(bytes, i + kAhead).object);
            OracleRecord record = OracleRecord::at(bytes, i);
            if (!record.plausible()) {
                complain(source, problems,
                         "record " + std::to_string(number + i + 1) + ": next access " +
                             std::to_string(record.next) +
                             ": expected the number of a record, or -1; are these records of oracleGeneral?");
                if (problems->full()) break;
                continue;
            }
            add(trace, record.seconds, record.size, rows_.introducer(record.object, row));
            ++row;
        }
        trim(trace);
        return problems == nullptr || !problems->full();
    }
};

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// "w96.oracleGeneral.bin.zst", "c52.oracleGeneral.sample10"; what stands behind the word must not say
// something else.
bool is_named_so(std::string_view name) {
    bool found = false;
    for (size_t dot = name.find('.'); dot != std::string_view::npos;) {
        size_t begin = dot + 1;
        dot = name.find('.', begin);
        std::string_view word = name.substr(begin, dot == std::string_view::npos ? dot : dot - begin);
        if (!found) {
            found = same_word(word, "oracleGeneral");
            continue;
        }
        bool number =
            std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
        if (!number && word != "bin" && word != "zst" && word != "gz" && word.rfind("sample", 0) != 0)
            return false;
    }
    return found;
}

bool is_text(std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](unsigned char c) { return std::isprint(c) || std::isspace(c); });
}

}  // namespace

FormatRow oracle_general_format() {
    FormatRow row;
    row.id = "oracle_general";
    row.summary =
        "libCacheSim's oracleGeneral: binary records of 24 bytes; detected by the name *.oracleGeneral*";
    row.ids = "single objects";
    row.matches = [](const Head&) { return false; };
    row.matches_file = [](std::string_view name, std::string_view first) {
        if (!is_named_so(name)) return false;
        return first.size() < OracleRecord::kBytes ? !is_text(first) : OracleRecord::at(first, 0).plausible();
    };
    row.make = [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<OracleGeneralReader>(); };
    return row;
}

}  // namespace kvsim
