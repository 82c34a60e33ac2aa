// One table of all rows. A column is a dotted key of the report; columns stand in the report's order: what a later row
// has more comes behind the column that precedes it there, and where parts of the report are missing in a row, in its part.
#include <kvsim/report/escape.h>
#include <kvsim/report/export_csv.h>
#include <kvsim/report/export_parts.h>

#include <algorithm>
#include <deque>
#include <iterator>

namespace kvsim {

namespace csv_export {

// The parts that columns are of, in the order of reports. 0: of a row that has no parts.
size_t part_of(std::string_view key) {
    static constexpr const char* kParts[] = {"report", "kind",     "by",     "tool",    "trace", "config", "axes",  "table",      "status", "reason",
                                             "knows_future", "goal", "capacity", "engine", "results", "seeds", "bounds", "pareto", "difference",
                                             "explain", "timing"};
    std::string_view first = key.substr(0, key.find('.'));
    for (size_t i = 0; i < std::size(kParts); ++i)
        if (first == kParts[i]) return i + 1;
    return 0;
}

class Csv {
  public:
    explicit Csv(bool with_report) : with_report_(with_report) {}

    /// `own`: values that the report does not hold; they live as long as this.
    const Json* own(Json value) { return &own_.emplace_back(std::move(value)); }

    void add(Fields fields, const std::string& report) {
        if (with_report_) fields.insert(fields.begin(), {"report", own(report)});
        Row row(columns_.size());
        size_t at = 0;  // behind the column of the field before
        for (const auto& [key, value] : fields) {
            size_t place = place_of(key, at);
            if (place == order_.size()) {
                while (at < order_.size() && part_of(key) > part_of(columns_[order_[at]]) && part_of(columns_[order_[at]]) > 0) ++at;
                place = at;
                order_.insert(order_.begin() + static_cast<ptrdiff_t>(at), columns_.size());
                columns_.push_back(key);
                row.push_back(nullptr);
            }
            row[order_[place]] = value;
            at = place + 1;
        }
        rows_.push_back(std::move(row));
    }

    std::string str() const {
        std::string out;
        for (size_t i = 0; i < order_.size(); ++i) out += (i == 0 ? "" : ",") + csv_text(columns_[order_[i]]);
        out += "\n";
        for (const Row& row : rows_) {
            for (size_t i = 0; i < order_.size(); ++i) {
                if (i > 0) out += ',';
                const Json* value = order_[i] < row.size() ? row[order_[i]] : nullptr;
                if (value && !value->is_null()) out += value->is_string() ? csv_text(value->get_ref<const std::string&>()) : text_of(*value);
            }
            out += "\n";
        }
        return out;
    }

  private:
    using Row = std::vector<const Json*>;

    size_t place_of(const std::string& key, size_t guess) const {
        if (guess < order_.size() && columns_[order_[guess]] == key) return guess;
        return static_cast<size_t>(std::find_if(order_.begin(), order_.end(), [&](size_t c) { return columns_[c] == key; }) - order_.begin());
    }

    bool with_report_;
    std::deque<Json> own_;
    std::vector<std::string> columns_;  ///< as they came
    std::vector<size_t> order_;         ///< as they are written
    std::vector<Row> rows_;
};

void add_compare(Csv& csv, const Json& report, const std::string& name) {
    for (const Json& cell : array_at(report, "cells")) {
        Fields fields;
        add_fields(fields, cell, std::vector<const char*>{"axes", "table", "knows_future", "status", "reason", "capacity", "engine", "results", "seeds",
                                  "bounds", "pareto", "difference", "timing"});
        csv.add(std::move(fields), name);
    }
}

// replay and size; with --by one more row for each label, which has hits alone.
void add_run(Csv& csv, const Json& report, const std::string& name) {
    Fields fields;
    add_fields(fields, report, std::vector<const char*>{"kind", "tool", "trace", "config", "goal", "capacity", "engine", "results", "bounds", "explain",
                                "timing"});
    const Json& groups = array_at(report, "results.by");
    if (!groups.empty()) fields.insert(fields.begin() + 1, {"by", csv.own(nullptr)});
    csv.add(fields, name);
    for (const Json& group : groups) {
        Fields row;
        for (const auto& field : fields)
            if (field.first.rfind("results.", 0) != 0 && field.first.rfind("bounds.", 0) != 0 && field.first.rfind("timing.", 0) != 0)
                row.push_back(field);
        for (auto& field : row)
            if (field.first == "by") field.second = csv.own(text_at(group, "label"));
        Fields of_group;
        add_fields(of_group, group, "");
        for (const auto& [key, value] : of_group)
            if (key != "label") row.emplace_back(key == "requests" ? "results.requests.total" : "results.hits." + key, value);
        csv.add(std::move(row), name);
    }
}

Json rate(const Json& part, std::optional<uint64_t> whole) {
    if (!part.is_number() || !whole || *whole == 0) return nullptr;
    return part.get<double>() / static_cast<double>(*whole);
}

// Columns of a curve are written like points: what follows from the report's totals is filled in.
void add_columns(Csv& csv, const Json& report, const Json& of, const std::string& label, const Fields& head, const std::string& name) {
    const Json &blocks = array_at(of, "curve.blocks"), &hit_blocks = array_at(of, "curve.hit_blocks"), &hit_tokens = array_at(of, "curve.hit_tokens");
    std::optional<uint64_t> block_size = whole_at(report, "trace.block_size"), lookup_blocks = whole_at(of, "lookup_blocks"),
                            lookup_tokens = whole_at(of, "lookup_tokens");
    for (size_t i = 0; i < std::min({blocks.size(), hit_blocks.size(), hit_tokens.size()}); ++i) {
        Fields row = head;
        row.emplace_back("list", csv.own("curve"));
        row.emplace_back("by", csv.own(label.empty() && &of == &report ? Json() : Json(label)));
        row.emplace_back("blocks", &blocks[i]);
        if (block_size && blocks[i].is_number_unsigned()) row.emplace_back("tokens", csv.own(blocks[i].get<uint64_t>() * *block_size));
        row.emplace_back("hit_blocks", &hit_blocks[i]);
        row.emplace_back("hit_tokens", &hit_tokens[i]);
        row.emplace_back("block_hit_rate", csv.own(rate(hit_blocks[i], lookup_blocks)));
        row.emplace_back("token_hit_rate", csv.own(rate(hit_tokens[i], lookup_tokens)));
        csv.add(std::move(row), name);
    }
}

void add_curve(Csv& csv, const Json& report, const std::string& name) {
    Fields head;
    for (const char* key : {"trace.name", "config.eviction", "config.accounting"})
        if (const Json* value = find_value(report, key)) head.emplace_back(key, value);
    add_columns(csv, report, report, "", head, name);
    for (const Json& group : array_at(report, "by")) add_columns(csv, report, group, text_at(group, "label"), head, name);
    auto add = [&](const char* list, const Json& point) {
        Fields row = head;
        row.emplace_back("list", csv.own(list));
        add_fields(row, point, "");
        csv.add(std::move(row), name);
    };
    for (const Json& point : array_at(report, "points")) add("points", point);
    for (const char* tier : {"tiers.fast", "tiers.inclusive", "tiers.exclusive"})
        if (const Json* point = find_value(report, tier)) add(tier, *point);
    for (const Json& knee : array_at(report, "knees")) add("knees", knee);
}

void add_rows(Csv& csv, const Json& report, const char* list, const std::string& name) {
    for (const Json& row : array_at(report, list)) {
        Fields fields;
        add_fields(fields, row, "");
        csv.add(std::move(fields), name);
    }
}

}  // namespace csv_export

bool csv_takes(std::string_view kind) {
    return kind == "replay" || kind == "compare" || kind == "curve" || kind == "size" || kind == "bench" || kind == "check";
}

std::string export_csv(const NamedReports& reports) {
    using namespace csv_export;
    Csv csv(reports.size() > 1);
    for (const auto& [name, json] : reports) {
        const Json& report = *json;
        std::string kind = text_at(report, "kind");
        if (kind == "compare") add_compare(csv, report, name);
        else if (kind == "curve") add_curve(csv, report, name);
        else if (kind == "bench") add_rows(csv, report, "kernels", name);
        else if (kind == "check") add_rows(csv, report, "findings", name);
        else add_run(csv, report, name);
    }
    return csv.str();
}

}  // namespace kvsim
