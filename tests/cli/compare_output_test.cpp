// kvsim compare: what people read, and what an interrupt leaves.
#include "cli.h"
#include "small_trace.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <thread>

namespace compare_output_test {

using namespace kvsim_test;

static std::string table_of(const Args& args) { return succeeds(Args{"compare"} + args).out; }

TEST_CASE("compare: the table") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(15, 120));
    std::vector<std::string> lines = lines_of(
        table_of({trace, "--eviction", "lru,fifo,belady,sieve", "--blocks", "4,12,40,unlimited", "--warmup", "5"}));
    CHECK(contains(lines[0], "small: prefix layout, pinned, decode on, blocks of 4 tokens"));
    CHECK(contains(lines[1], "120 requests, the first 5 not counted"));
    CHECK(contains(lines[1], "ceiling"));
    // Rates stand under each other: the point of every cell of a column is at the same place.
    std::vector<std::vector<size_t>> points;
    for (const std::string& line : lines) {
        bool row = false;
        for (const char* id : {"  lru", "  fifo", "  belady", "  sieve", "  (optimal"})
            row = row || line.rfind(id, 0) == 0;
        if (!row || contains(line, ":") || !contains(line, ".")) continue;
        std::vector<size_t> at;
        for (size_t i = 0; i < line.size(); ++i)
            if (line[i] == '.' && i + 3 <= line.size() && isdigit(line[i + 2])) at.push_back(i);
        points.push_back(at);
        if (line.rfind("  belady", 0) == 0) CHECK_FALSE(contains(line, "*"));
    }
    REQUIRE(points.size() == 6);
    for (size_t k = 0; k < 3; ++k)
        for (const auto& at : points) CHECK(at.at(k) == points[0].at(k));
    for (const std::string& line : lines) CHECK(line.size() <= 130);
}

TEST_CASE("compare: a table without hits") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl",
                                  "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                  "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n"
                                  "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":8,\"blocks\":[2,3]}\n");
    std::string table = table_of({trace, "--eviction", "lru,fifo", "--blocks", "2"});
    CHECK(contains(table, "  0.00      -"));
    CHECK_FALSE(contains(table, "0.00*"));
    CHECK_FALSE(contains(table, "nan"));
    // Too few requests for a verdict.
    CHECK_FALSE(contains(table, "0.00      - +"));
}

// ---- interruption --------------------------------------------------------------------------------------------

static pid_t start(const Args& args) {
    pid_t child = fork();
    if (child != 0) return child;
    int null = open("/dev/null", O_RDWR);
    for (int fd : {0, 1, 2}) dup2(null, fd);
    std::vector<char*> argv{const_cast<char*>(kvsim_binary())};
    for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execv(kvsim_binary(), argv.data());
    _exit(127);
}

// When the first interrupt comes while the trace is read, nothing is written; so it is tried later and later.
TEST_CASE("compare: an interrupt ends it after the running cells, and what is finished is written") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(16, 6000));
    std::string report = dir.path("r.json");
    bool seen = false;
    for (int ms = 50; ms < 5000 && !seen; ms *= 2) {
        pid_t child = start({"compare", trace, "--jobs", "1", "--verify", "--seeds", "50", "--bootstrap-block", "0",
                             "--bounds", "none", "--eviction", "lru,random,hyperbolic,gdsf,lfu", "--accounting",
                             "pinned,flat,tree", "--report", report});
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        kill(child, SIGINT);
        int status = 0;
        waitpid(child, &status, 0);
        REQUIRE(WIFEXITED(status));
        if (WEXITSTATUS(status) == 0) break;  // too late
        CHECK(WEXITSTATUS(status) == 130);
        for (const auto& file : std::filesystem::directory_iterator(dir.dir()))
            CHECK_FALSE(contains(file.path().filename().string(), ".tmp."));
        if (!file_exists(report)) continue;
        Json j = Json::parse(read_file(report));
        check_schema(dir, {j});
        std::map<std::string, int> count;
        for (const Json& cell : j["cells"]) ++count[cell["status"].get<std::string>()];
        CHECK(count["interrupted"] > 0);
        CHECK(count["interrupted"] + count["ok"] == 75);
        seen = count["ok"] > 0;
        std::filesystem::remove(report);
    }
    CHECK(seen);
}

}  // namespace compare_output_test
