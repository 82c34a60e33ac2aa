// Tables of accesses to objects, as libCacheSim reads CSV: one access a row, columns told by their number
// from 1. An id is a whole number below 2^64 or any other text; an id of digits alone that is larger is an
// error, so that two of them cannot become one. Differs from libCacheSim in two rules that it leaves to
// chance: a header is a first row whose time and size are no numbers (there: one with more letters than
// digits), and numbers are decimal, so "010" is 10 (there: octal).
#include <kvsim/core/spec.h>
#include <kvsim/trace/csv_reader.h>
#include <kvsim/trace/object_reader.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace kvsim {
namespace {

class ObjectCsvReader : public ObjectReader {
    enum : size_t { kTime, kId, kSize, kColumns };
    static constexpr const char* kNames[kColumns] = {"time", "id", "size"};
    static constexpr uint64_t kMaxColumns = 65536;

  public:
    explicit ObjectCsvReader(Spec& spec)
        : csv_({{kNames[kTime], false}, {kNames[kId]}, {kNames[kSize], false}}, delimiter(spec)) {
        std::vector<size_t> places;
        for (size_t c = 0; c < kColumns; ++c) places.push_back(column(spec, c));
        for (size_t a = 0; a < kColumns; ++a)
            for (size_t b = a + 1; b < kColumns; ++b)
                if (places[a] == places[b] && places[a] != CsvReader::kMissing)
                    throw_input(std::string("object_csv: ") + kNames[a] + " and " + kNames[b] +
                                " are both column " + std::to_string(places[a] + 1));
        header_ = spec.choice("header", "auto", {"auto", "on", "off"});
        csv_.use_places(std::move(places));
        if (header_ == "auto" && !csv_.has(kTime) && !csv_.has(kSize))
            throw_input(
                "object_csv: header=auto looks at times and sizes, and there are none; expected header=on or "
                "off");
    }

    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        bool first = true;
        for_each_line(source, problems, [&] {
            bool begins = std::exchange(first, false);
            csv_.read_row(source);
            bool header = begins && (header_ == "on" || (header_ == "auto" && looks_like_header()));
            if (!header) read_row(trace);
        });
    }

  private:
    static char delimiter(Spec& spec) {
        static const std::map<std::string, char> known = {
            {"comma", ','}, {"tab", '\t'}, {"space", ' '}, {"semicolon", ';'}};
        return known.at(spec.choice("delimiter", "comma", {"comma", "tab", "space", "semicolon"}));
    }

    // From 0; kMissing for "none".
    static size_t column(Spec& spec, size_t c) {
        std::string text = spec.text(kNames[c], std::to_string(c + 1));
        uint64_t number = 0;
        if (text == "none" && c != kId) return CsvReader::kMissing;
        if (!parse_whole(text, number) || number < 1 || number > kMaxColumns)
            throw_input(std::string("object_csv: parameter ") + kNames[c] + "=" + text +
                        ": expected a column, from 1 to " + std::to_string(kMaxColumns) +
                        (c == kId ? "" : ", or none"));
        return number - 1;
    }

    // "nan" is a number that is wrong, not a name.
    bool is_number(size_t c) const {
        std::string_view text = csv_.trimmed(c);
        double value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error != std::errc::invalid_argument && end == text.data() + text.size();
    }
    bool looks_like_header() const {
        return !(csv_.has(kTime) && is_number(kTime)) && !(csv_.has(kSize) && is_number(kSize));
    }

    void read_row(Trace& trace) {
        double seconds = csv_.has(kTime) ? csv_.number(kTime, 0, kMaxSeconds) : 0;
        uint64_t size = csv_.has(kSize) ? csv_.whole(kSize, 0, ~uint64_t{0}) : 1;
        uint32_t object = introducer(trace.chains.rows());
        extend(trace, 1);
        add(trace, seconds, size, object);
    }

    uint32_t introducer(uint32_t row) {
        std::string_view text = csv_.trimmed(kId);
        if (text.empty()) csv_.fail(kId, "expected an object id, found nothing");
        uint64_t number = 0;
        if (parse_whole(text, number)) return rows_.introducer(number, row);
        if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
            csv_.fail(kId,
                      "expected a number below 2^64 or a name, found " + std::string(text.substr(0, 40)));
        auto known = named_.find(text);
        return known != named_.end() ? known->second : named_.emplace(std::string(text), row).first->second;
    }

    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    CsvReader csv_;
    std::string header_;
    std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>>
        named_;  ///< rows of ids that are no numbers
};

}  // namespace

FormatRow object_csv_format() {
    FormatRow row;
    row.id = "object_csv";
    row.summary = "tables of accesses to objects, as libCacheSim's CSV: columns by number; never detected";
    row.ids = "single objects";
    row.parameters = "time=1 id=2 size=3 delimiter=comma|tab|space|semicolon header=auto|on|off";
    row.matches = [](const Head&) { return false; };
    row.make = [](Spec& spec) -> std::unique_ptr<FormatReader> {
        return std::make_unique<ObjectCsvReader>(spec);
    };
    return row;
}

}  // namespace kvsim
