// What the exports of tables have in common: how a JSON report is read as rows of dotted keys. Only for the sources of
// this room.
#pragma once

#include <kvsim/report/json_view.h>
#include <kvsim/report/results_json.h>

#include <string>
#include <utility>
#include <vector>

namespace kvsim {

/// A scalar and where it stands: "results.hits.hit_tokens".
using Fields = std::vector<std::pair<std::string, const Json*>>;

/// The scalars in a value, in its order; lists are left out. `prefix` comes before every key, with a dot if not empty.
void add_fields(Fields& to, const Json& from, const std::string& prefix);
/// The same for these keys of an object, as far as they are there.
void add_fields(Fields& to, const Json& from, const std::vector<const char*>& keys);

/// A text as it is, anything else as in the report: the same digits.
std::string text_of(const Json& scalar);

/// Who a cell of a compare report is: "vllm", "lru"; with the layout and accounting before it where asked for.
std::string cell_name(const Json& axes, bool layout, bool accounting);

/// The cells of one table of a compare report, in its order.
struct CellTable {
    const Json* trace = nullptr;  ///< of `traces`; null if the report does not say
    std::vector<const Json*> cells;
};
std::vector<CellTable> cell_tables(const Json& report);
/// "demo, blocks of 16 tokens, llama-3.1-8b in fp8_e4m3"
std::string table_name(const CellTable& table);
/// "10%", "10000 blocks"
std::string capacity_name(const Json& axes);
/// "batch=2 context=24"
std::string shape_words(const Json& shape);

}  // namespace kvsim
