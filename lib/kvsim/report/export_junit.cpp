// JUnit XML as CI servers read it (what Jenkins' schema allows: tests/support/junit.xsd). A case passes when it ran: gates
// are `kvsim check`'s. What was skipped or could not be measured is skipped with its reason, what was interrupted is an
// error. No timestamps, no host: the same report gives the same file.
#include <kvsim/report/check.h>
#include <kvsim/core/error.h>
#include <kvsim/report/escape.h>
#include <kvsim/report/export_junit.h>
#include <kvsim/report/export_parts.h>

#include <fmt/format.h>

namespace kvsim {

namespace junit_export {

struct Case {
    std::string classname, name;
    std::string status = "ok", reason;
    double seconds = 0;
    Fields numbers;  ///< "key = value" lines of its output
};

struct Suite {
    std::string name;
    Fields properties;
    std::vector<Case> cases;
};

bool is_skipped(const Case& c) { return c.status == "skipped" || c.status == "not measured"; }
bool is_error(const Case& c) { return c.status != "ok" && !is_skipped(c); }

std::string seconds_text(double s) { return fmt::format("{:.6f}", s); }

std::string case_xml(const Case& c) {
    std::string out = "    <testcase classname=\"" + xml_text(c.classname) + "\" name=\"" + xml_text(c.name) + "\" time=\"" + seconds_text(c.seconds) + "\"";
    if (c.status == "ok" && c.numbers.empty()) return out + "/>\n";
    out += ">\n";
    std::string message = c.reason.empty() ? c.status : c.reason;
    if (is_skipped(c)) out += "      <skipped message=\"" + xml_text(message) + "\"/>\n";
    if (is_error(c)) out += "      <error type=\"" + xml_text(c.status) + "\" message=\"" + xml_text(message) + "\"/>\n";
    if (!c.numbers.empty()) {
        out += "      <system-out>";
        for (const auto& [key, value] : c.numbers) out += xml_text(key) + " = " + xml_text(text_of(*value)) + "\n";
        out += "</system-out>\n";
    }
    return out + "    </testcase>\n";
}

std::string suite_xml(const Suite& suite) {
    size_t skipped = 0, errors = 0;
    double seconds = 0;
    std::string cases;
    for (const Case& c : suite.cases) {
        skipped += is_skipped(c);
        errors += is_error(c);
        seconds += c.seconds;
        cases += case_xml(c);
    }
    std::string out = "  <testsuite name=\"" + xml_text(suite.name) +
                      fmt::format("\" tests=\"{}\" failures=\"0\" errors=\"{}\" skipped=\"{}\" time=\"{}\">\n", suite.cases.size(), errors, skipped, seconds_text(seconds));
    if (!suite.properties.empty()) {
        out += "    <properties>\n";
        for (const auto& [key, value] : suite.properties)
            out += "      <property name=\"" + xml_text(key) + "\" value=\"" + xml_text(text_of(*value)) + "\"/>\n";
        out += "    </properties>\n";
    }
    return out + cases + "  </testsuite>\n";
}

double seconds_at(const Json& json, const char* ms) { return std::max(0.0, number_at(json, ms).value_or(0)) / 1e3; }

void add_properties(Suite& suite, const Json& report, const Json* trace) {
    add_fields(suite.properties, report, std::vector<const char*>{"schema_version", "kind", "tool"});
    if (trace) add_fields(suite.properties, *trace, "trace");
    add_fields(suite.properties, report, std::vector<const char*>{"config"});
}

void add_compare(std::vector<Suite>& suites, const Json& report) {
    for (const CellTable& table : cell_tables(report)) {
        Suite suite{table_name(table), {}, {}};
        add_properties(suite, report, table.trace);
        for (const Json* cell : table.cells) {
            const Json none = Json::object(), *axes = find_value(*cell, "axes");
            if (!axes) axes = &none;
            Case c;
            c.classname = suite.name;
            c.name = cell_name(*axes, true, true) + " at " + capacity_name(*axes);
            c.status = text_at(*cell, "status");
            c.reason = text_at(*cell, "reason");
            c.seconds = seconds_at(*cell, "timing.simulate_ms");
            add_fields(c.numbers, *cell, std::vector<const char*>{"capacity", "engine", "results", "seeds", "bounds", "pareto", "difference"});
            suite.cases.push_back(std::move(c));
        }
        suites.push_back(std::move(suite));
    }
}

void add_bench(std::vector<Suite>& suites, const Json& report) {
    for (const Json& backend : array_at(report, "backends")) {
        Suite suite{text_at(backend, "id"), {}, {}};
        add_properties(suite, report, nullptr);
        add_fields(suite.properties, backend, "backend");
        for (const Json& kernel : array_at(report, "kernels")) {
            if (text_at(kernel, "backend") != suite.name) continue;
            const Json* shape = find_value(kernel, "shape");
            Case c;
            c.classname = suite.name;
            c.name = text_at(kernel, "name") + (shape ? " " + shape_words(*shape) : "");
            c.status = text_at(kernel, "status");
            c.reason = text_at(kernel, "reason").empty() ? text_at(backend, "reason") : text_at(kernel, "reason");
            c.seconds = std::max(0.0, number_at(kernel, "total_us").value_or(0)) / 1e6;
            for (const char* key : {"calls", "median_us", "min_us", "p95_us", "ci_low_us", "ci_high_us", "bytes", "gb_per_s", "fraction_of_copy", "samples", "cache", "roofline_us"})
                if (const Json* value = find_value(kernel, key)) c.numbers.emplace_back(key, value);
            suite.cases.push_back(std::move(c));
        }
        suites.push_back(std::move(suite));
    }
}

// replay, size and curve: one run.
void add_run(std::vector<Suite>& suites, const Json& report) {
    Suite suite{text_at(report, "trace.name"), {}, {}};
    if (suite.name.empty()) suite.name = "kvsim";
    add_properties(suite, report, find_value(report, "trace"));
    Case c;
    c.classname = suite.name;
    c.name = text_at(report, "kind");
    for (const char* key : {"config.engine", "config.layout", "config.accounting", "config.eviction"})
        if (std::string word = text_at(report, key); !word.empty()) c.name += " " + word;
    c.seconds = seconds_at(report, "timing.simulate_ms") + seconds_at(report, "timing.curve_ms");
    add_fields(c.numbers, report, std::vector<const char*>{"goal", "capacity", "engine", "results", "lookup_blocks", "lookup_tokens", "exact_from_blocks", "bounds"});
    suite.cases.push_back(std::move(c));
    suites.push_back(std::move(suite));
}

}  // namespace junit_export

bool junit_takes(std::string_view kind) {
    return kind == "check" || kind == "replay" || kind == "compare" || kind == "curve" || kind == "size" || kind == "bench";
}

std::string export_junit(const NamedReports& reports) {
    using namespace junit_export;
    for (const NamedReport& r : reports) {
        if (text_at(*r.report, "kind") != "check") continue;
        if (reports.size() > 1) throw_input(r.name + ": --export-junit takes a report of kind \"check\" alone");
        return check_junit(*r.report);
    }
    std::vector<Suite> suites;
    for (const NamedReport& r : reports) {
        size_t first = suites.size();
        std::string kind = text_at(*r.report, "kind");
        if (kind == "compare") add_compare(suites, *r.report);
        else if (kind == "bench") add_bench(suites, *r.report);
        else add_run(suites, *r.report);
        for (size_t i = first; i < suites.size() && reports.size() > 1; ++i) suites[i].name = r.name + ": " + suites[i].name;
    }
    size_t tests = 0, errors = 0;
    double seconds = 0;
    std::string out;
    for (const Suite& suite : suites) {
        tests += suite.cases.size();
        for (const Case& c : suite.cases) {
            errors += is_error(c);
            seconds += c.seconds;
        }
        out += suite_xml(suite);
    }
    return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"kvsim\" tests=\"{}\" failures=\"0\" errors=\"{}\" time=\"{}\">\n", tests, errors,
                       seconds_text(seconds)) +
           out + "</testsuites>\n";
}

}  // namespace kvsim
