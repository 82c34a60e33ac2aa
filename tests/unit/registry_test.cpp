#include <doctest/doctest.h>
#include <kvsim/core/registry.h>

namespace registry_test {

using namespace kvsim;

namespace {

struct Row {
    std::string id;
};

std::string complaint_of(const std::string& id) {
    Registry<Row> rows("thing");
    rows.add({"first"});
    try {
        rows.add({id});
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::failed);
        CHECK(rows.rows().size() == 1);
        return e.what();
    }
    CHECK(rows.find(id) != nullptr);
    return "added";
}

}  // namespace

TEST_CASE("registry: an id can be written in a list and before parameters") {
    for (const char* id : {"lru", "s3_fifo", "llama-3.1-8b", "block/lru", "a"}) CHECK(complaint_of(id) == "added");
    for (const char* id : {"", "a:b", "a,b", "a=b", "a b", " a", "a\t", "a\nb", "a\r"}) {
        CAPTURE(id);
        CHECK(complaint_of(id) == "thing '" + std::string(id) +
                                      "': an id needs a character and has no ':', ',', '=' or white space");
    }
    CHECK(complaint_of("first") == "thing 'first' is registered twice");
}

}  // namespace registry_test
