// Exit codes, interruption, and output files that are there whole or not at all.
#include "cli.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

namespace exit_test {

using namespace kvsim_test;

static std::vector<std::string> files_in(const std::string& dir) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// Starts kvsim with a standard input that stays open, waits until it has a temporary file in `dir`, sends `signal`.
static int killed_with(int signal, const Args& args, const std::string& dir) {
    int in[2];
    REQUIRE(pipe(in) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        close(in[0]);
        close(in[1]);
        std::vector<char*> argv{const_cast<char*>(kvsim_binary())};
        for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
        argv.push_back(nullptr);
        execv(kvsim_binary(), argv.data());
        _exit(127);
    }
    close(in[0]);
    CHECK(write(in[1], kDemo.data(), kDemo.size()) == static_cast<ssize_t>(kDemo.size()));
    bool started = false;
    for (int i = 0; i < 2000 && !started; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        for (const std::string& name : files_in(dir)) started = started || contains(name, ".tmp.");
    }
    CHECK(started);
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
    close(in[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_CASE("exit: interrupted while loading gives 130 and leaves no file behind") {
    for (int signal : {SIGINT, SIGTERM}) {
        TempDir dir;
        CHECK(killed_with(signal, {"replay", "-", "--report", dir.path("r.json"), "--per-request", dir.path("p")},
                          dir.dir()) == 130);
        CHECK(files_in(dir.dir()).empty());
        dir.write("r.json", "old\n");
        CHECK(killed_with(signal, {"trace", "info", "-", "--report", dir.path("r.json")}, dir.dir()) == 130);
        CHECK(files_in(dir.dir()) == Args{"r.json"});
        CHECK(read_file(dir.path("r.json")) == "old\n");
        CHECK(killed_with(signal, {"trace", "convert", "-", "--output", dir.path("c.jsonl")}, dir.dir()) == 130);
        CHECK(files_in(dir.dir()) == Args{"r.json"});
    }
}

TEST_CASE("exit: a hang-up leaves no file behind either") {
    TempDir dir;
    CHECK(killed_with(SIGHUP, {"replay", "-", "--report", dir.path("r.json")}, dir.dir()) >= 128);
    CHECK(files_in(dir.dir()).empty());
}

TEST_CASE("exit: a reader of stdout that goes away leaves no temporary report") {
    TempDir dir;
    std::string rows = kDemo;
    for (int i = 0; i < 20000; ++i)
        rows += "{\"op\":\"request\",\"seq\":\"q" + std::to_string(i) + "\",\"t\":9,\"length\":4,\"blocks\":[0]}\n";
    std::string trace = dir.write("t.jsonl", rows);
    run_program("/bin/sh", {"-c", std::string(kvsim_binary()) + " replay " + trace + " --per-request - --report " +
                                      dir.path("r.json") + " 2>/dev/null | head -c 1 >/dev/null"});
    for (const std::string& name : files_in(dir.dir())) CHECK_FALSE(contains(name, ".tmp."));
}

TEST_CASE("exit: files that cannot be read or written give 3") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    fails({"replay", dir.path("none.jsonl")}, {"none.jsonl: cannot open: No such file"}, 3);
    fails({"trace", "info", dir.path("none")}, {"cannot open"}, 3);
    fails({"trace", "validate", dir.path("none")}, {"cannot open"}, 3);
    fails({"trace", "convert", dir.path("none"), "--output", dir.path("o")}, {"cannot open"}, 3);
    fails({"replay", trace, "--config", dir.path("none.json")}, {"none.json"}, 3);
    fails({"replay", trace, "--report", dir.path("no/such/r.json")}, {"cannot write: No such file"}, 3);
    fails({"replay", trace, "--per-request", dir.path("no/such/r.json")}, {"cannot write: No such file"}, 3);
    fails({"replay", trace, "--report", dir.dir()}, {"cannot write: Is a directory"}, 3);
    fails({"trace", "generate", "uniform", "--output", dir.dir()}, {"cannot write: Is a directory"}, 3);
    CHECK(files_in(dir.dir()) == Args{"t.jsonl"});
}

TEST_CASE("exit: no permission gives 3") {
    if (geteuid() == 0) {
        std::printf("skipped: root may read and write everything\n");
        return;
    }
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    REQUIRE(mkdir(dir.path("closed").c_str(), 0500) == 0);
    fails({"replay", trace, "--report", dir.path("closed/r.json")}, {"cannot write: Permission denied"}, 3);
    REQUIRE(chmod(trace.c_str(), 0) == 0);
    fails({"replay", trace}, {"cannot open: Permission denied"}, 3);
}

TEST_CASE("exit: a full disk gives 3") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    fails({"replay", trace, "--report", "/dev/full"}, {"/dev/full: cannot write: No space left"}, 3);
    fails({"trace", "convert", trace, "--output", "/dev/full"}, {"/dev/full: cannot write: No space left"}, 3);
}

static int with_stdout_full(const std::string& args) {
    return run_program("/bin/sh", {"-c", std::string(kvsim_binary()) + " " + args + " >/dev/full 2>/dev/null"}).exit_code;
}

TEST_CASE("exit: JSON and rows that do not reach stdout give 3") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    CHECK(with_stdout_full("replay " + trace + " --report -") == 3);
    CHECK(with_stdout_full("replay " + trace + " --per-request -") == 3);
    CHECK(with_stdout_full("trace convert " + trace + " --output -") == 3);
}

TEST_CASE("exit: a table that does not reach stdout gives 3") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    CHECK(with_stdout_full("replay " + trace) == 3);
    CHECK(with_stdout_full("replay " + trace + " --print-config") == 3);
    CHECK(with_stdout_full("trace info " + trace) == 3);
    CHECK(with_stdout_full("trace validate " + trace) == 3);
    CHECK(with_stdout_full("list") == 3);
}

TEST_CASE("exit: a failing run leaves an existing output untouched and nothing beside it") {
    TempDir dir;
    std::string good = dir.write("t.jsonl", kDemo);
    std::string bad = dir.write("bad.jsonl", kDemo + "{broken}\n");
    std::string report = dir.write("r.json", "old\n");
    const Args runs[] = {{"replay", bad, "--report", report},
                         {"replay", bad, "--per-request", report},
                         {"replay", good, "--blocks", "0", "--report", report},
                         {"replay", good, "--warmup", "100%", "--report", report},
                         {"trace", "info", bad, "--report", report},
                         {"trace", "convert", bad, "--output", report},
                         {"trace", "generate", "uniform:requests=x", "--output", report}};
    for (const Args& run : runs) {
        fails(run, {});
        CHECK(read_file(report) == "old\n");
        CHECK(files_in(dir.dir()) == Args{"bad.jsonl", "r.json", "t.jsonl"});
    }
    succeeds({"replay", good, "--report", report});
    CHECK(Json::parse(read_file(report))["kind"] == "replay");
    CHECK(files_in(dir.dir()) == Args{"bad.jsonl", "r.json", "t.jsonl"});
}

TEST_CASE("exit: one stdout or one file for two outputs is refused") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    fails({"replay", trace, "--report", "-", "--per-request", "-"}, {"cannot share standard output"});
    ProcessResult same = kvsim({"replay", trace, "--report", dir.path("x"), "--per-request", dir.path("x")});
    CHECK(same.exit_code != 0);
    CHECK(lines_of(same.err).size() == 1);
    CHECK(files_in(dir.dir()) == Args{"t.jsonl"});
}

TEST_CASE("exit: a report never replaces the trace it is about") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    fails({"replay", trace, "--report", trace}, {});
    CHECK(read_file(trace) == kDemo);
}

}  // namespace exit_test
