// docs/REPORT.md is what the schema of reports says.
#include "support/process.h"

#include <doctest/doctest.h>

namespace report_doc_test {

using namespace kvsim_test;

TEST_CASE("REPORT.md is made of the schema, where every property has a description") {
    ProcessResult r = run_program(KVSIM_PYTHON3, {source_file("tests/support/report_doc.py"), source_file("lib/kvsim/report/report.schema.json")});
    INFO(r.err);
    REQUIRE(r.exit_code == 0);
    INFO("make it new: python3 tests/support/report_doc.py lib/kvsim/report/report.schema.json > docs/REPORT.md");
    CHECK((r.out == read_file(source_file("docs/REPORT.md"))));
}

}  // namespace report_doc_test
