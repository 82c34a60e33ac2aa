// The tour: it runs, what it shows can be typed, and it takes nobody's files.
#include "cli.h"

using namespace kvsim_test;

namespace demo_test {

ProcessResult in_dir(const std::string& dir, const std::string& command) {
    return run_program("sh", {"-c", "cd '" + dir + "' && PATH='" + dir + "/bin':$PATH && " + command});
}

/// A directory where `kvsim` is the program under test.
struct Place {
    TempDir dir;
    Place() {
        run_program("mkdir", {dir.path("bin")});
        run_program("ln", {"-s", kvsim_binary(), dir.path("bin/kvsim")});
    }
    ProcessResult run(const std::string& command) const { return in_dir(dir.dir(), command); }
};

TEST_CASE("demo: every command that it shows works as it is printed") {
    Place place;
    ProcessResult tour = place.run("kvsim demo");
    INFO(tour.out << tour.err);
    REQUIRE(tour.exit_code == 0);
    CHECK_FALSE(contains(tour.out, "\x1b["));
    bool gate = contains(kvsim({"check", "--help"}).out, "--max-drop");
    Place fresh;  // from nothing, in the order of the tour
    size_t commands = 0, said = 0;
    for (const std::string& line : lines_of(tour.out)) {
        said += line.rfind("   > ", 0) == 0;
        if (line.rfind("   $ ", 0) != 0) continue;
        ++commands;
        ProcessResult r = fresh.run(line.substr(5));
        INFO(line << "\n" << r.out << r.err);
        bool fails_on_purpose = contains(line, "kvsim check");
        CHECK(r.exit_code == (fails_on_purpose ? 1 : 0));
        // What it prints begins as in the tour.
        if (!r.out.empty() && !contains(line, "--eviction fifo --report")) CHECK(contains(tour.out, lines_of(r.out)[0]));
    }
    CHECK(commands == (gate ? 6 : 4));
    CHECK(said >= 9);
    CHECK(file_exists(place.dir.path("kvsim-demo.jsonl")));
    CHECK(file_exists(place.dir.path("kvsim-demo-base.json")));
    if (contains(tour.out, "The page with all of it")) CHECK(file_exists(place.dir.path("kvsim-demo.html")));
}

TEST_CASE("demo: again in the same place, and nothing but files with --quiet") {
    Place place;
    CHECK(place.run("kvsim demo").exit_code == 0);
    ProcessResult again = place.run("kvsim demo --quiet");
    INFO(again.err);
    CHECK(again.exit_code == 0);
    CHECK(again.out.empty());
    CHECK(again.err.empty());
}

TEST_CASE("demo: a file of the name that is not its own stays") {
    for (const char* name : {"kvsim-demo.jsonl", "kvsim-demo-base.json"}) {
        Place place;
        place.dir.write(name, "mine\n");
        ProcessResult r = place.run("kvsim demo");
        INFO(r.err);
        CHECK(r.exit_code == 2);
        CHECK(r.out.empty());
        CHECK(contains(r.err, std::string("kvsim demo: error: ") + name + ": is there already and is not "));
        CHECK(read_file(place.dir.path(name)) == "mine\n");
    }
    // A trace of the same kind that somebody made with other parameters is foreign, too.
    Place place;
    CHECK(place.run("kvsim trace generate chat:sessions=3 --output kvsim-demo.jsonl").exit_code == 0);
    CHECK(place.run("kvsim demo").exit_code == 2);
}

TEST_CASE("demo: where nothing can be written, and what has no effect") {
    Place place;
    ProcessResult r = place.run("kvsim demo --report x.json");
    CHECK(r.exit_code == 2);
    CHECK(contains(r.err, "--report has no effect on demo"));
    r = place.run("kvsim demo --export-html -");
    CHECK(r.exit_code == 2);
    CHECK(contains(r.err, "expected a file"));
    r = place.run("kvsim demo --export-html kvsim-demo.jsonl");
    CHECK(r.exit_code == 2);
    CHECK(contains(r.err, "named for two outputs"));
}

}  // namespace demo_test
