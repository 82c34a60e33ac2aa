#include "support/process.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace kvsim_test {

ProcessResult run_program(const std::string& program, const std::vector<std::string>& arguments,
                          const std::string& input) {
    int in[2], out[2], err[2];
    if (pipe(in) != 0 || pipe(out) != 0 || pipe(err) != 0) throw std::runtime_error("pipe");
    std::signal(SIGPIPE, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        for (int* p : {in, out, err}) {
            close(p[0]);
            close(p[1]);
        }
        std::signal(SIGPIPE, SIG_DFL);
        std::vector<char*> argv{const_cast<char*>(program.c_str())};
        for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
        argv.push_back(nullptr);
        execvp(program.c_str(), argv.data());
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    std::thread feeder([&] {
        size_t done = 0;
        while (done < input.size()) {
            ssize_t n = write(in[1], input.data() + done, input.size() - done);
            if (n <= 0) break;
            done += static_cast<size_t>(n);
        }
        close(in[1]);
    });
    ProcessResult result;
    auto drain = [](int fd, std::string& to) {
        char buffer[4096];
        for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) to.append(buffer, static_cast<size_t>(n));
        close(fd);
    };
    std::thread errors([&] { drain(err[0], result.err); });
    drain(out[0], result.out);
    errors.join();
    feeder.join();
    int status = 0;
    waitpid(child, &status, 0);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

const char* kvsim_binary() {
    const char* named = std::getenv("KVSIM_BINARY");
    return named && *named ? named : KVSIM_BINARY;
}

ProcessResult kvsim(const std::vector<std::string>& arguments, const std::string& input) {
    return run_program(kvsim_binary(), arguments, input);
}

TempDir::TempDir() {
    char name[] = "/tmp/kvsim_test_XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
    dir_ = name;
}
TempDir::~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}
std::string TempDir::write(const std::string& name, const std::string& text) const {
    std::ofstream file(path(name), std::ios::binary);
    file << text;
    return path(name);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}
bool file_exists(const std::string& path) { return std::filesystem::exists(path); }

std::string shared_file(const std::string& name) {
    const char* dir = std::getenv("KVSIM_SHARED");
    if (dir == nullptr || *dir == 0) {
        std::printf("skipped: KVSIM_SHARED is not set, no %s\n", name.c_str());
        return {};
    }
    std::string path = std::string(dir) + "/" + name;
    if (file_exists(path)) return path;
    std::printf("skipped: %s is not there\n", path.c_str());
    return {};
}
std::string source_file(const std::string& name) { return std::string(KVSIM_SOURCE_DIR) + "/" + name; }

}  // namespace kvsim_test
