#include <kvsim/core/error.h>
#include <kvsim/core/output_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace kvsim {

// Paths of open temporary files, in fixed memory so that a signal handler may read them.
static constexpr int kSlots = 32;
static char g_unfinished[kSlots][1024];
static std::atomic<bool> g_used[kSlots];

static int take_slot(const std::string& path) {
    if (path.size() >= sizeof g_unfinished[0]) return -1;
    for (int i = 0; i < kSlots; ++i) {
        if (g_used[i].load()) continue;
        std::memcpy(g_unfinished[i], path.c_str(), path.size() + 1);
        g_used[i].store(true);
        return i;
    }
    return -1;
}

void OutputFile::remove_all_unfinished() {
    for (int i = 0; i < kSlots; ++i)
        if (g_used[i].load()) unlink(g_unfinished[i]);
}

OutputFile::OutputFile(const std::string& path) : path_(path) {
    if (path == "-") {
        fd_ = STDOUT_FILENO;
        return;
    }
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
        // A device or a pipe (/dev/null, /dev/stdout) cannot be replaced by a rename: write to it as it is.
        fd_ = S_ISDIR(info.st_mode) ? -1 : open(path.c_str(), O_WRONLY | O_CLOEXEC);
        if (fd_ < 0) throw_io(path + ": cannot write: " + std::strerror(S_ISDIR(info.st_mode) ? EISDIR : errno));
        return;
    }
    temporary_ = path + ".tmp." + std::to_string(getpid());
    slot_ = take_slot(temporary_);  // before the file is there, so that no signal can come between
    fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0) {
        int why = errno;
        if (slot_ >= 0) g_used[slot_].store(false);
        slot_ = -1;
        temporary_.clear();
        throw_io(path + ": cannot write: " + std::strerror(why));
    }
}

OutputFile::~OutputFile() {
    if (fd_ >= 0 && fd_ != STDOUT_FILENO) close(fd_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
    if (slot_ >= 0) g_used[slot_].store(false);
}

void OutputFile::write(std::string_view text) {
    buffer_.append(text);
    if (buffer_.size() >= (1u << 18)) flush();
}

void OutputFile::flush() {
    size_t done = 0;
    while (done < buffer_.size()) {
        ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_io((path_ == "-" ? "standard output" : path_) + ": cannot write: " + std::strerror(errno));
        done += static_cast<size_t>(n);
    }
    buffer_.clear();
}

void OutputFile::commit() {
    flush();
    if (fd_ == STDOUT_FILENO) return;
    bool closed = close(fd_) == 0;
    fd_ = -1;
    if (temporary_.empty()) {
        if (!closed) throw_io(path_ + ": cannot write: " + std::strerror(errno));
        return;
    }
    if (!closed || rename(temporary_.c_str(), path_.c_str()) != 0)
        throw_io(path_ + ": cannot write: " + std::strerror(errno));
    temporary_.clear();
    if (slot_ >= 0) g_used[slot_].store(false);
    slot_ = -1;
}

}  // namespace kvsim
