#include <kvsim/core/digest.h>
#include <kvsim/trace/line_source.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

namespace kvsim {

static constexpr size_t kSmallRead = 256 << 10;  // stays in the second-level cache
static constexpr size_t kLargeRead = 4 << 20;
static constexpr uint64_t kLargeInput = 4 << 20;  // beyond this, larger reads and hashing in a second thread

// ---- where the bytes come from -------------------------------------------------------------------------------

class LineSource::Input {
  public:
    explicit Input(const std::string& path) : path_(path) {
        if (path == "-") {
            fd_ = STDIN_FILENO;
            path_ = "<stdin>";
        } else {
            fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
            if (fd_ < 0) throw_io(path + ": cannot open: " + std::strerror(errno));
            struct stat info {};
            bool known = fstat(fd_, &info) == 0;
            if (known && S_ISDIR(info.st_mode)) {
                close(fd_);
                throw_io(path + ": is a directory");
            }
            if (known && S_ISREG(info.st_mode)) file_bytes_ = static_cast<uint64_t>(info.st_size);
        }
        raw_.resize(kMagic);
        raw_end_ = 0;
        while (raw_end_ < kMagic) {
            size_t n = read_raw(raw_.data() + raw_end_, kMagic - raw_end_);
            if (n == 0) break;
            raw_end_ += n;
        }
        const auto* m = reinterpret_cast<const unsigned char*>(raw_.data());
        bool zstd = raw_end_ >= 4 && m[0] == 0x28 && m[1] == 0xB5 && m[2] == 0x2F && m[3] == 0xFD;
        bool gzip = raw_end_ >= 2 && m[0] == 0x1F && m[1] == 0x8B;
        if (zstd) start_zstd();
        if (gzip) start_gzip();
    }
    ~Input() {
        if (zstd_) ZSTD_freeDStream(zstd_);
        if (gzip_) inflateEnd(&inflate_);
        if (fd_ > STDIN_FILENO) close(fd_);
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;

    uint64_t size_hint() const { return zstd_ || gzip_ ? 0 : file_bytes_; }

    size_t read(char* out, size_t size) {
        if (zstd_) return read_zstd(out, size);
        if (gzip_) return read_gzip(out, size);
        if (raw_at_ < raw_end_) {
            size_t n = std::min(size, raw_end_ - raw_at_);
            std::memcpy(out, raw_.data() + raw_at_, n);
            raw_at_ += n;
            return n;
        }
        return read_raw(out, size);
    }

  private:
    static constexpr size_t kMagic = 4;

    size_t read_raw(char* out, size_t size) {
        for (;;) {
            ssize_t n = ::read(fd_, out, size);
            if (n >= 0) return static_cast<size_t>(n);
            if (errno != EINTR) throw_io(path_ + ": cannot read: " + std::strerror(errno));
        }
    }
    bool refill() {
        raw_at_ = 0;
        raw_end_ = read_raw(raw_.data(), raw_.size());
        return raw_end_ != 0;
    }
    void start_zstd() {
        zstd_ = ZSTD_createDStream();
        ZSTD_DCtx_setParameter(zstd_, ZSTD_d_windowLogMax, 31);
        raw_.resize(128 << 10);
    }
    void start_gzip() {
        inflate_ = z_stream{};
        if (inflateInit2(&inflate_, 15 + 32) != Z_OK) throw_failed("zlib cannot start");
        gzip_ = true;
        raw_.resize(128 << 10);
    }
    size_t read_zstd(char* out, size_t size) {
        ZSTD_outBuffer to{out, size, 0};
        while (to.pos == 0) {
            if (raw_at_ == raw_end_ && !refill()) {
                if (!frame_done_) throw_input(path_ + ": truncated: the zstd stream ends in the middle");
                return 0;
            }
            ZSTD_inBuffer from{raw_.data(), raw_end_, raw_at_};
            size_t left = ZSTD_decompressStream(zstd_, &to, &from);
            raw_at_ = from.pos;
            if (ZSTD_isError(left)) throw_input(path_ + ": broken zstd data: " + ZSTD_getErrorName(left));
            frame_done_ = left == 0;
        }
        return to.pos;
    }
    size_t read_gzip(char* out, size_t size) {
        inflate_.next_out = reinterpret_cast<unsigned char*>(out);
        inflate_.avail_out = static_cast<unsigned>(size);
        while (inflate_.avail_out == size) {
            if (raw_at_ == raw_end_ && !refill()) {
                if (!frame_done_) throw_input(path_ + ": truncated: the gzip stream ends in the middle");
                return 0;
            }
            if (frame_done_) {  // a further member follows (cat a.gz b.gz)
                inflateReset(&inflate_);
                frame_done_ = false;
            }
            inflate_.next_in = reinterpret_cast<unsigned char*>(raw_.data() + raw_at_);
            inflate_.avail_in = static_cast<unsigned>(raw_end_ - raw_at_);
            int code = inflate(&inflate_, Z_NO_FLUSH);
            raw_at_ = raw_end_ - inflate_.avail_in;
            if (code == Z_STREAM_END) {
                frame_done_ = true;
            } else if (code != Z_OK && code != Z_BUF_ERROR) {
                throw_input(path_ + ": broken gzip data: " + (inflate_.msg ? inflate_.msg : "unknown error"));
            }
        }
        return size - inflate_.avail_out;
    }

    std::string path_;
    int fd_ = -1;
    uint64_t file_bytes_ = 0;
    std::vector<char> raw_;
    size_t raw_at_ = 0;
    size_t raw_end_ = 0;
    ZSTD_DStream* zstd_ = nullptr;
    z_stream inflate_{};
    bool gzip_ = false;
    bool frame_done_ = false;
};

// ---- digest, in a second thread once the input is large ------------------------------------------------------

class LineSource::Digest {
  public:
    Digest() = default;
    ~Digest() { stop(); }
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;

    /// `data` must stay as it is until the next add() or wait() has returned.
    void add(const char* data, size_t size, bool in_background) {
        if (!in_background && !worker_.joinable()) {
            sha_.update(data, size);
            return;
        }
        if (!worker_.joinable()) worker_ = std::thread([this] { run(); });
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return size_ == 0; });
            data_ = data;
            size_ = size;
        }
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return size_ == 0; });
    }
    std::string finish() {
        wait();
        stop();
        return sha_.finish();
    }

  private:
    void stop() {
        if (!worker_.joinable()) return;
        {
            std::lock_guard lock(mutex_);
            done_ = true;
        }
        changed_.notify_all();
        worker_.join();
    }
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return size_ != 0 || done_; });
            if (size_ == 0) return;
            const char* data = data_;
            size_t size = size_;
            lock.unlock();
            sha_.update(data, size);
            lock.lock();
            size_ = 0;
            changed_.notify_all();
        }
    }

    Sha256 sha_;
    std::thread worker_;
    std::mutex mutex_;
    std::condition_variable changed_;
    const char* data_ = nullptr;
    size_t size_ = 0;
    bool done_ = false;
};

// ---- lines ---------------------------------------------------------------------------------------------------

LineSource::LineSource(const std::string& path, bool digest, std::atomic<uint64_t>* progress)
    : name_(path == "-" ? "<stdin>" : path), input_(std::make_unique<Input>(path)), progress_(progress) {
    if (digest) digest_ = std::make_unique<Digest>();
    buffer_.resize(kSmallRead + kPadding);
}

// The digest's thread reads the buffer: it ends first.
LineSource::~LineSource() { digest_.reset(); }

// Makes room behind the unread bytes (moving them to the front) and reads once. False at the end of the input.
bool LineSource::fill() {
    if (eof_) return false;
    if (digest_) digest_->wait();
    size_t kept = end_ - begin_;
    if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, kept);
    begin_ = 0;
    end_ = kept;
    size_t wanted = bytes_ >= kLargeInput ? kLargeRead : kSmallRead;
    if (buffer_.size() < kept + wanted / 2 + kPadding) buffer_.resize(std::max(2 * kept, wanted) + kPadding);
    size_t n = input_->read(buffer_.data() + end_, buffer_.size() - end_ - kPadding);
    if (n == 0) {
        eof_ = true;
        std::memset(buffer_.data() + end_, 0, kPadding);
        return false;
    }
    if (digest_) digest_->add(buffer_.data() + end_, n, bytes_ >= kLargeInput);
    end_ += n;
    bytes_ += n;
    if (progress_) progress_->fetch_add(n, std::memory_order_relaxed);
    return true;
}

bool LineSource::next() {
    if (unread_) {
        unread_ = false;
        return true;
    }
    size_t looked = 0;
    for (;;) {
        const char* from = buffer_.data() + begin_;
        size_t have = end_ - begin_;
        const char* newline = nullptr;
        if (have > looked) newline = static_cast<const char*>(std::memchr(from + looked, '\n', have - looked));
        if (newline == nullptr) {
            looked = have;
            if (fill()) continue;
            if (have == 0) return false;
        }
        from = buffer_.data() + begin_;
        terminated_ = newline != nullptr;
        size_t length = terminated_ ? static_cast<size_t>(newline - from) : have;
        begin_ += length + terminated_;
        if (length > 0 && from[length - 1] == '\r') --length;
        // A byte order mark at the very start says nothing in UTF-8.
        bool mark = number_ == 0 && length >= 3 && std::memcmp(from, "\xEF\xBB\xBF", 3) == 0;
        line_ = mark ? std::string_view(from + 3, length - 3) : std::string_view(from, length);
        ++number_;
        return true;
    }
}

std::string_view LineSource::whole() {
    size_t offset = static_cast<size_t>(line_.data() - buffer_.data());
    begin_ = offset;
    while (fill()) {
    }
    line_ = {buffer_.data() + begin_, end_ - begin_};
    begin_ = end_;
    terminated_ = true;
    return line_;
}

uint64_t LineSource::size_hint() const { return input_->size_hint(); }

std::string_view LineSource::peek(size_t size) {
    while (end_ - begin_ < size && fill()) {
    }
    return {buffer_.data() + begin_, std::min(size, end_ - begin_)};
}

std::string_view LineSource::next_records(size_t size) {
    peek(size);
    size_t have = end_ - begin_;
    std::string_view records(buffer_.data() + begin_, have < size ? have : have - have % size);
    begin_ += records.size();
    return records;
}

std::string LineSource::sha256() {
    // Bytes behind the last line asked for (there are none after a full read) still count.
    begin_ = end_;
    while (fill()) begin_ = end_;
    return digest_ ? digest_->finish() : std::string();
}

}  // namespace kvsim
