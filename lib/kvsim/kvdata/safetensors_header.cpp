#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/kvdata/safetensors_header.h>

#include <simdjson.h>

#include <set>

namespace kvsim::safetensors {

namespace dom = simdjson::dom;

static constexpr size_t kLongestName = 80;
static constexpr size_t kMostAxes = 64;

std::string shown(std::string_view name) {
    std::string out = "'";
    for (char c : name.substr(0, kLongestName)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    return out + (name.size() > kLongestName ? "...'" : "'");
}

std::string shape_text(const std::vector<uint64_t>& shape) {
    std::string out = "[";
    for (size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return out + "]";
}

namespace {

class Parser {
  public:
    explicit Parser(const std::string& path) : path_(path) {}

    Header run(const std::string& text) {
        where_ = "header";
        if (text.empty() || text[0] != '{') fail("expected a JSON object, beginning with '{'");
        dom::element root;
        simdjson::error_code error = parser_.parse(text).get(root);  // copied once, with the padding it needs
        if (error != simdjson::SUCCESS) fail(std::string("broken JSON: ") + simdjson::error_message(error));
        Header header;
        std::set<std::string, std::less<>> names;
        for (dom::key_value_pair field : object(root)) {
            where_ = "tensor " + shown(field.key);
            if (!names.emplace(field.key).second) fail("the name is given twice");
            if (field.key == "__metadata__")
                read_metadata(field.value, header.metadata);
            else
                header.tensors.push_back(read_tensor(field.key, field.value));
        }
        return header;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const { throw_input(path_ + ": " + where_ + ": " + what); }

    dom::object object(dom::element element) const {
        dom::object found;
        if (element.get(found) != simdjson::SUCCESS) fail("expected an object");
        return found;
    }

    void read_metadata(dom::element element, std::map<std::string, std::string>& out) {
        where_ = "header: __metadata__";
        for (dom::key_value_pair field : object(element)) {
            std::string_view value;
            if (field.value.get(value) != simdjson::SUCCESS) fail("key " + shown(field.key) + ": expected a string");
            if (!out.emplace(field.key, value).second) fail("key " + shown(field.key) + " is given twice");
        }
    }

    SafeTensor read_tensor(std::string_view name, dom::element element) const {
        SafeTensor t;
        t.name = name;
        static const std::vector<std::string> known = {"dtype", "shape", "data_offsets"};
        unsigned seen = 0;
        for (dom::key_value_pair field : object(element)) {
            unsigned key = 0;
            while (key < known.size() && field.key != known[key]) ++key;
            if (key == known.size()) fail("unknown key " + shown(field.key) + did_you_mean(field.key, known));
            if (seen & (1u << key)) fail(known[key] + " is given twice");
            seen |= 1u << key;
            if (key == 0) t.dtype = text(field.value);
            if (key == 1) t.shape = whole_numbers("shape", field.value, kMostAxes);
            if (key == 2) {
                std::vector<uint64_t> place = whole_numbers("data_offsets", field.value, 2);
                if (place.size() != 2) fail("data_offsets: expected [begin, end]");
                t.begin = place[0];
                t.end = place[1];
            }
        }
        if (seen != 7) fail("expected dtype, shape and data_offsets");
        return t;
    }

    std::string text(dom::element element) const {
        std::string_view found;
        if (element.get(found) != simdjson::SUCCESS) fail("dtype: expected a string");
        return std::string(found);
    }

    std::vector<uint64_t> whole_numbers(const std::string& key, dom::element element, size_t most) const {
        dom::array array;
        if (element.get(array) != simdjson::SUCCESS) fail(key + ": expected an array of whole numbers");
        std::vector<uint64_t> out;
        for (dom::element item : array) {
            uint64_t value = 0;
            if (!item.is_uint64() && !item.is_int64()) fail(key + ": expected whole numbers");
            if (item.get(value) != simdjson::SUCCESS) fail(key + ": expected whole numbers from 0 on");
            if (out.size() == most) fail(key + ": expected at most " + std::to_string(most) + " numbers");
            out.push_back(value);
        }
        return out;
    }

    const std::string& path_;
    std::string where_;
    dom::parser parser_;
};

}  // namespace

Header parse_header(const std::string& path, const std::string& text) { return Parser(path).run(text); }

}  // namespace kvsim::safetensors
