#include "console.h"

#include <kvsim/core/units.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace kvsim::app {

void Console::say(const std::string& line) const {
    if (!quiet) std::fprintf(stderr, "%s\n", line.c_str());
}

void Console::explain(const std::string& line) const {
    if (!explains() || std::find(said_.begin(), said_.end(), line) != said_.end()) return;
    said_.push_back(line);
    std::fprintf(stderr, "%s\n", line.c_str());
}

unsigned Console::width(int fd) {
    winsize size{};
    if (isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

bool Console::colored(int fd) const {
    if (color != "auto") return color == "always";
    const char* none = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    if ((none && *none) || (term && std::string(term) == "dumb")) return false;
    return isatty(fd) == 1;
}

Progress::Progress(const Console& console, std::string what, uint64_t whole) : what_(std::move(what)), whole_(whole) {
    const char* term = std::getenv("TERM");
    if (console.quiet || isatty(STDERR_FILENO) != 1 || (term && std::string(term) == "dumb")) return;
    thread_ = std::thread([this] { draw(); });
}

Progress::~Progress() {
    end_ = true;
    if (thread_.joinable()) thread_.join();
}

void Progress::draw() {
    using namespace std::chrono_literals;
    bool drawn = false;
    auto start = std::chrono::steady_clock::now();
    while (!end_) {
        std::this_thread::sleep_for(20ms);
        auto past = std::chrono::steady_clock::now() - start;
        if (past < 500ms || (drawn && past % 100ms > 20ms)) continue;
        uint64_t done = done_;
        std::string text = whole_ == 0 ? format_bytes(done) : format_percent(double(done) / double(whole_), 0);
        double seconds = std::chrono::duration<double>(past).count();
        if (whole_ != 0 && done != 0)
            text += ", " + format_count(static_cast<uint64_t>(seconds * double(whole_ - std::min(done, whole_)) / double(done))) +
                    " s left";
        std::fprintf(stderr, "\r%s %s\x1b[K", what_.c_str(), text.c_str());
        drawn = true;
    }
    if (drawn) std::fprintf(stderr, "\r\x1b[K");
}

}  // namespace kvsim::app
