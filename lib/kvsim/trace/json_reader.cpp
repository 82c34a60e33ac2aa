#include <kvsim/core/spec.h>
#include <kvsim/trace/json_reader.h>

#include <simdjson.h>

#include <cstring>
#include <limits>

namespace kvsim {

namespace od = simdjson::ondemand;

static_assert(simdjson::SIMDJSON_PADDING <= 64, "LineSource::kPadding is too small");

// One open object or array. simdjson's iterators are positions in one shared walk, so only the innermost may move.
struct Frame {
    bool is_object = false;
    bool started = false;
    simdjson::simdjson_result<od::object_iterator> field, field_end;
    simdjson::simdjson_result<od::array_iterator> element, element_end;
};

struct JsonReader::State {
    od::parser parser;
    od::document document;
    od::value value;
    std::vector<Frame> frames;
    size_t depth = 0;
    std::string_view text;
    const char* item = nullptr;
    Location where;
    std::string_view key;
};

JsonReader::JsonReader() : s_(std::make_unique<State>()) { s_->frames.resize(8); }
JsonReader::~JsonReader() = default;

Location JsonReader::location(const char* place) const {
    Location at = s_->where;
    at.column = 1;
    if (place >= s_->text.data() && place <= s_->text.data() + s_->text.size()) {
        const char* line = s_->text.data();
        for (const char* c = line; c < place; ++c) {
            if (*c != '\n') continue;
            ++at.line;
            line = c + 1;
        }
        at.column = static_cast<uint64_t>(place - line) + 1;
    }
    return at;
}

Location JsonReader::line_location() const { return location(s_->item); }

void JsonReader::begin_item() { s_->item = s_->value.raw_json_token().data(); }

void JsonReader::fail_at(const char* place, const std::string& message) {
    std::string key = s_->key.empty() ? "" : std::string(s_->key) + ": ";
    throw_at(location(place), key + message);
}

void JsonReader::fail(const std::string& message) { fail_at(s_->value.raw_json_token().data(), message); }

void JsonReader::fail_line(const std::string& message) {
    s_->key = {};
    fail_at(s_->item, message);
}

// What simdjson found wrong with the text itself.
static std::string explain(simdjson::error_code error) {
    switch (error) {
        case simdjson::EMPTY: return "expected a JSON object, found nothing";
        case simdjson::UTF8_ERROR: return "not valid UTF-8";
        case simdjson::UNCLOSED_STRING: return "truncated or broken JSON: a string is not closed";
        case simdjson::INCOMPLETE_ARRAY_OR_OBJECT: return "truncated JSON: an array or object is not closed";
        case simdjson::CAPACITY: return "more than 4 GiB in one JSON text";
        case simdjson::MEMALLOC: return "not enough memory for this line";
        case simdjson::INCORRECT_TYPE: return "expected a JSON object";
        default: return std::string("broken JSON: ") + simdjson::error_message(error);
    }
}

static void check(JsonReader& reader, od::document& document, simdjson::error_code error) {
    if (error == simdjson::SUCCESS) return;
    const char* place = nullptr;
    if (document.current_location().get(place) != simdjson::SUCCESS) reader.fail_line(explain(error));
    reader.fail_at(place, explain(error));
}

void JsonReader::set_text(std::string_view text, const Location& where) {
    s_->text = text;
    s_->item = text.data();
    s_->where = where;
    s_->key = {};
    s_->depth = 0;
}

void JsonReader::open_object(std::string_view text, size_t capacity, const Location& where) {
    set_text(text, where);
    if (text.size() > 0xFFFFFF00u) fail_line(explain(simdjson::CAPACITY));
    simdjson::error_code error =
        s_->parser.iterate(text.data(), text.size(), std::max(capacity, text.size() + simdjson::SIMDJSON_PADDING))
            .get(s_->document);
    if (error != simdjson::SUCCESS) fail_line(explain(error));
    od::object object;
    error = s_->document.get_object().get(object);
    check(*this, s_->document, error);
    Frame& frame = s_->frames[s_->depth++];
    frame = Frame{true, false, object.begin(), object.end(), {}, {}};
}

bool JsonReader::next_field(std::string_view& key) {
    Frame& frame = s_->frames[s_->depth - 1];
    s_->key = {};
    if (frame.started) ++frame.field;
    frame.started = true;
    if (!(frame.field != frame.field_end)) {
        --s_->depth;
        return false;
    }
    od::field field;
    simdjson::error_code error = (*frame.field).get(field);
    if (error != simdjson::SUCCESS) check(*this, s_->document, error);
    const char* begin = field.key().raw();
    const char* end = static_cast<const char*>(
        std::memchr(begin, '"', static_cast<size_t>(s_->text.data() + s_->text.size() - begin)));
    if (end == nullptr || std::memchr(begin, '\\', static_cast<size_t>(end - begin)) != nullptr)
        fail_at(begin, "expected a plain key without escapes");
    key = {begin, static_cast<size_t>(end - begin)};
    s_->key = key;
    s_->value = field.value();
    return true;
}

bool JsonReader::next_element() {
    Frame& frame = s_->frames[s_->depth - 1];
    if (frame.started) ++frame.element;
    frame.started = true;
    if (!(frame.element != frame.element_end)) {
        --s_->depth;
        return false;
    }
    simdjson::error_code error = (*frame.element).get(s_->value);
    if (error != simdjson::SUCCESS) check(*this, s_->document, error);
    return true;
}

void JsonReader::finish() {
    const char* place = nullptr;
    if (s_->document.current_location().get(place) != simdjson::SUCCESS) return;  // nothing is left
    s_->key = {};
    fail_at(place, "expected nothing after the JSON object");
}

JsonReader::Type JsonReader::type() {
    od::json_type type{};
    simdjson::error_code error = s_->value.type().get(type);
    if (error != simdjson::SUCCESS) fail(explain(error));
    switch (type) {
        case od::json_type::object: return Type::object;
        case od::json_type::array: return Type::array;
        case od::json_type::string: return Type::string;
        case od::json_type::number: return Type::number;
        case od::json_type::boolean: return Type::boolean;
        default: return Type::null;
    }
}

const char* JsonReader::place() { return s_->value.raw_json_token().data(); }

static constexpr size_t kMaxDepth = 8;

void JsonReader::enter_object() {
    if (s_->depth == kMaxDepth) fail("nested too deeply");
    od::object object;
    if (s_->value.get_object().get(object) != simdjson::SUCCESS) fail("expected an object");
    s_->frames[s_->depth++] = Frame{true, false, object.begin(), object.end(), {}, {}};
}

void JsonReader::enter_array() {
    if (s_->depth == kMaxDepth) fail("nested too deeply");
    od::array array;
    if (s_->value.get_array().get(array) != simdjson::SUCCESS) fail("expected an array");
    s_->frames[s_->depth++] = Frame{false, false, {}, {}, array.begin(), array.end()};
}

static std::string_view trimmed(std::string_view token) {
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t' || token.back() == '\r' || token.back() == '\n'))
        token.remove_suffix(1);
    return token;
}

static bool well_formed_number(std::string_view t) {
    if (!t.empty() && t[0] == '-') t.remove_prefix(1);
    if (t.empty() || t[0] < '0' || t[0] > '9') return false;
    return !(t.size() > 1 && t[0] == '0' && t[1] >= '0' && t[1] <= '9');
}

static std::string shortened(std::string_view token) {
    return token.size() <= 40 ? std::string(token) : std::string(token.substr(0, 37)) + "...";
}

uint64_t JsonReader::whole(uint64_t low, uint64_t high) {
    std::string_view token = trimmed(s_->value.raw_json_token());
    uint64_t value = 0;
    if (!well_formed_number(token) || !parse_whole(token, value) || value < low || value > high)
        fail("expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", found " +
             shortened(token));
    uint64_t consumed = 0;
    if (s_->value.get_uint64().get(consumed) != simdjson::SUCCESS || consumed != value) fail("expected a whole number");
    return value;
}

double JsonReader::number(double low, double high) {
    std::string_view token = trimmed(s_->value.raw_json_token());
    double value = 0;
    double consumed = 0;
    if (!well_formed_number(token) || !parse_number(token, value) ||
        s_->value.get_double().get(consumed) != simdjson::SUCCESS)
        fail("expected a number, found " + shortened(token));
    if (value < low || value > high) fail("out of range: " + shortened(token));
    return value;
}

std::string_view JsonReader::string() {
    std::string_view token = trimmed(s_->value.raw_json_token());
    std::string_view value;
    if (s_->value.get_string().get(value) != simdjson::SUCCESS)
        fail("expected a string, found " + shortened(token));
    return value;
}

bool JsonReader::boolean() {
    bool value = false;
    if (s_->value.get_bool().get(value) != simdjson::SUCCESS) fail("expected true or false");
    return value;
}

bool JsonReader::array_of_strings() {
    std::string_view token = s_->value.raw_json_token();  // up to the next structural character
    const char* next = token.data() + token.size();
    return !token.empty() && token[0] == '[' && next < s_->text.data() + s_->text.size() && *next == '"';
}

std::string_view JsonReader::array_text() {
    od::array array;
    std::string_view text;
    if (s_->value.get_array().get(array) != simdjson::SUCCESS) fail("expected an array");
    simdjson::error_code error = array.raw_json().get(text);
    if (error != simdjson::SUCCESS) check(*this, s_->document, error);
    return text;
}

void JsonReader::whole_array(NumberBuffer& out, uint64_t limit) {
    std::string_view text = array_text();
    const char* end = nullptr;
    size_t before = out.size();
    const char* wrong = parse_whole_array(text.data() + 1, text.data() + text.size(), out, &end);
    if (wrong != nullptr) fail_at(wrong, "expected whole numbers from 0 to 18446744073709551615 between commas");
    if (limit == ~uint64_t{0}) return;
    for (size_t i = before; i < out.size(); ++i)
        if (out[i] > limit)
            fail_at(text.data(), "element " + std::to_string(i - before) + " is " + std::to_string(out[i]) +
                                     ", expected at most " + std::to_string(limit));
}

void JsonReader::skip() {
    // Read through the value so that its syntax is checked, not only its brackets.
    bool deep = s_->depth == kMaxDepth;  // then by its brackets only
    switch (type()) {
        case Type::object: {
            if (deep) {
                od::object object;
                std::string_view text;
                if (s_->value.get_object().get(object) != simdjson::SUCCESS) fail("expected an object");
                check(*this, s_->document, object.raw_json().get(text));
                return;
            }
            enter_object();
            std::string_view key;
            while (next_field(key)) skip();
            return;
        }
        case Type::array:
            if (deep) {
                array_text();
                return;
            }
            enter_array();
            while (next_element()) skip();
            return;
        case Type::string: string(); return;
        case Type::number: number(-std::numeric_limits<double>::max(), std::numeric_limits<double>::max()); return;
        case Type::boolean: boolean(); return;
        case Type::null: {
            bool null = false;
            if (s_->value.is_null().get(null) != simdjson::SUCCESS || !null) fail("expected a JSON value");
            return;
        }
    }
}

// ---- arrays of whole numbers ---------------------------------------------------------------------------------

namespace {

constexpr uint64_t kZeros = 0x3030303030303030ull;
constexpr uint64_t kTops = 0x8080808080808080ull;

uint64_t load8(const char* p) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    return word;
}

/// Top bit of each byte that is not a digit: a byte above 9 has it set after adding 0x76, or had it before.
uint64_t not_digits(uint64_t word) {
    uint64_t digits = word ^ kZeros;
    return (((digits & ~kTops) + 0x7676767676767676ull) | digits) & kTops;
}

/// Value of the first `count` (1 to 8) digits of a word: neighbours are added up in three multiply-and-shift steps,
/// the usual SWAR method.
uint32_t value_of(uint64_t word, int count) {
    uint64_t digits = (word ^ kZeros) << (64 - 8 * count);
    digits = digits * 10 + (digits >> 8);
    return static_cast<uint32_t>((((digits & 0x000000FF000000FFull) * 0x000F424000000064ull) +
                                  (((digits >> 16) & 0x000000FF000000FFull) * 0x0000271000000001ull)) >>
                                 32);
}

/// A number of nine digits or more; moves `p` behind it. False above 2^64 - 1.
bool parse_long(const char*& p, uint64_t& value) {
    value = value_of(load8(p), 8);
    p += 8;
    uint64_t other = not_digits(load8(p));
    if (other == 0) {
        value = value * 100000000 + value_of(load8(p), 8);
        p += 8;
        other = not_digits(load8(p));
        if (other == 0) return false;
    }
    static constexpr uint64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    int count = __builtin_ctzll(other) >> 3;
    if (count == 0) return true;
    uint64_t tail = value_of(load8(p), count);
    p += count;
    return !__builtin_mul_overflow(value, kPowers[count], &value) && !__builtin_add_overflow(value, tail, &value);
}

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

// Up to eight digits at once. Ids of a chain mostly follow each other, so before a number is computed its text is
// compared with the text of the last one plus one.
const char* parse_whole_array(const char* text, const char* limit, NumberBuffer& out, const char** end) {
    const char* p = text;
    size_t n = out.size();
    out.room(n + static_cast<size_t>(limit - p) / 2 + 1);
    uint64_t* to = out.data();
    auto done = [&](const char* wrong) {
        out.resize(n);
        return wrong;
    };
    while (blank(*p)) ++p;
    if (*p == ']') {
        *end = p + 1;
        return done(nullptr);
    }
    uint64_t next_text = 0;  // text of the last number plus one, in the low bytes
    uint64_t next_mask = 0;  // those bytes; 0 = no prediction
    int next_count = 0;
    for (;;) {
        uint64_t word = load8(p);
        uint64_t value;
        if (next_mask != 0 && ((word ^ next_text) & next_mask) == 0 &&
            static_cast<unsigned char>(p[next_count] - '0') > 9) {
            value = to[n - 1] + 1;
            p += next_count;
        } else {
            uint64_t other = not_digits(word);
            next_count = other == 0 ? 8 : __builtin_ctzll(other) >> 3;
            if (next_count == 0 || (*p == '0' && next_count > 1)) return done(p);
            next_text = word;
            if (next_count < 8) {
                value = value_of(word, next_count);
                p += next_count;
                next_mask = ~(~uint64_t{0} << (8 * next_count));
            } else {
                const char* start = p;
                if (!parse_long(p, value)) return done(start);
                next_mask = 0;
            }
        }
        to[n++] = value;
        if (next_mask != 0) {
            next_text += uint64_t{1} << (8 * (next_count - 1));
            if ((next_text >> (8 * (next_count - 1)) & 0xFF) > '9') next_mask = 0;  // the carry is computed
        }
        if (*p == ',' && p[1] == ' ') {
            p += 2;
        } else {
            while (blank(*p)) ++p;
            if (*p != ',') break;
            ++p;
        }
        while (blank(*p)) ++p;
        if (p >= limit) return done(p);
    }
    if (*p != ']') return done(p);
    *end = p + 1;
    return done(nullptr);
}

}  // namespace kvsim
