#include <kernels/common/convert.h>
#include <kvsim/core/digest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/kvdata/safetensors.h>
#include <kvsim/kvdata/safetensors_header.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace kvsim {

static_assert(std::endian::native == std::endian::little, "values are taken from the file as they are");

static constexpr uint64_t kLongestHeader = 100000000;  // the format's own limit
static constexpr size_t kPiece = 1 << 20;              // even, so that no value is cut

void SafeTensors::fail(const std::string& what) const { throw_input(path_ + ": " + what); }

void SafeTensors::fail(const SafeTensor& tensor, const std::string& what) const {
    fail("tensor " + safetensors::shown(tensor.name) + ": " + what);
}

SafeTensors::SafeTensors(const std::string& path) : path_(path) {
    fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe nobody writes to must not hang
    if (fd_ < 0) throw_io(path + ": cannot open: " + std::strerror(errno));
    try {
        struct stat info {};
        if (fstat(fd_, &info) != 0) throw_io(path + ": cannot read: " + std::strerror(errno));
        if (S_ISDIR(info.st_mode)) throw_io(path + ": is a directory");
        if (!S_ISREG(info.st_mode)) fail("expected a regular file, whose size is known before it is read");
        file_bytes_ = static_cast<uint64_t>(info.st_size);
        read_header();
        check_places();
    } catch (...) {
        close(fd_);
        throw;
    }
}

SafeTensors::~SafeTensors() { close(fd_); }

const SafeTensor* SafeTensors::find(const std::string& name) const {
    for (const SafeTensor& t : tensors_)
        if (t.name == name) return &t;
    return nullptr;
}

void SafeTensors::read_exactly(char* out, uint64_t size) {
    while (size > 0) {
        ssize_t n = ::read(fd_, out, std::min<uint64_t>(size, 1 << 30));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_io(path_ + ": cannot read: " + std::strerror(errno));
        if (n == 0)
            fail("truncated while being read: expected " + std::to_string(file_bytes_) + " bytes, found " +
                 std::to_string(read_bytes_));
        out += n;
        size -= static_cast<uint64_t>(n);
        read_bytes_ += static_cast<uint64_t>(n);
    }
}

void SafeTensors::read_header() {
    if (file_bytes_ < length_.size())
        fail("truncated: expected 8 bytes that give the header's length, found " + std::to_string(file_bytes_));
    read_exactly(length_.data(), length_.size());
    uint64_t length = 0;
    std::memcpy(&length, length_.data(), sizeof length);
    uint64_t left = file_bytes_ - length_.size();
    if (length > kLongestHeader || length > left)
        fail("header length " + std::to_string(length) + ": expected at most " +
             std::to_string(std::min(left, kLongestHeader)) + (left < kLongestHeader ? ", which is all the file has" : ""));
    data_bytes_ = left - length;
    header_.resize(length);
    read_exactly(header_.data(), length);
    safetensors::Header header = safetensors::parse_header(path_, header_);
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
}

// Bytes of a tensor by its dtype and shape; sets its number of values.
static uint64_t expected_bytes(const SafeTensors& file, SafeTensor& t) {
    static const std::map<std::string, uint64_t> bits = {
        {"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16},
        {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32}, {"F64", 64}, {"I64", 64}, {"U64", 64},
        {"C64", 64}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}};
    auto width = bits.find(t.dtype);
    if (width == bits.end()) {
        std::vector<std::string> known;
        for (const auto& [name, unused] : bits) known.push_back(name);
        file.fail(t, "dtype " + safetensors::shown(t.dtype) + ": expected one of " + join(known));
    }
    uint64_t all_bits = 0;
    bool fits = true;
    for (uint64_t axis : t.shape) fits = !__builtin_mul_overflow(t.values, axis, &t.values) && fits;
    if (std::count(t.shape.begin(), t.shape.end(), uint64_t{0}) != 0) t.values = 0, fits = true;
    if (!fits || __builtin_mul_overflow(t.values, width->second, &all_bits))
        file.fail(t, "shape " + safetensors::shape_text(t.shape) + ": expected fewer than 2^64 bits");
    if (all_bits % 8 != 0) file.fail(t, "expected a whole number of bytes");
    return all_bits / 8;
}

void SafeTensors::check_places() {
    for (SafeTensor& t : tensors_) {
        std::string place = "data_offsets [" + std::to_string(t.begin) + ", " + std::to_string(t.end) + "]: expected ";
        if (t.begin > t.end) fail(t, place + "begin <= end");
        if (t.end > data_bytes_)
            fail(t, place + "an end of at most " + std::to_string(data_bytes_) + ", the bytes that follow the header");
        uint64_t bytes = expected_bytes(*this, t);
        if (t.end - t.begin != bytes)
            fail(t, place + std::to_string(bytes) + " bytes for " + t.dtype + " " + safetensors::shape_text(t.shape));
    }
    std::stable_sort(tensors_.begin(), tensors_.end(), [](const SafeTensor& a, const SafeTensor& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    uint64_t at = 0;
    std::string before = "the header";
    for (const SafeTensor& t : tensors_) {
        if (t.begin < at) fail(t, "begins at byte " + std::to_string(t.begin) + ", within " + before);
        if (t.begin > at)
            fail(t, "begins at byte " + std::to_string(t.begin) + ": expected " + std::to_string(at) + ", the end of " +
                        before);
        at = t.end;
        before = "tensor " + safetensors::shown(t.name);
    }
    if (at != data_bytes_)
        fail(std::to_string(data_bytes_ - at) + " bytes after the end of " + before + ": expected none");
}

static float widen(const char* from, bool brain) {
    uint16_t bits = 0;
    std::memcpy(&bits, from, sizeof bits);
    return brain ? kv::f32_of_bf16(bits) : kv::f32_of_f16(bits);
}

// "NaN at [0, 1, 2]", the place by axes.
static std::string place_of(const SafeTensor& t, uint64_t index, float value) {
    std::vector<uint64_t> at(t.shape.size());
    for (size_t axis = at.size(); axis-- > 0;) {
        at[axis] = index % t.shape[axis];
        index /= t.shape[axis];
    }
    const char* what = value != value ? "NaN" : value > 0 ? "infinity" : "-infinity";
    return what + (" at " + safetensors::shape_text(at));
}

std::string SafeTensors::read(const std::map<std::string, std::vector<float>*>& wanted) {
    Sha256 digest;
    digest.update(length_.data(), length_.size());
    digest.update(header_.data(), header_.size());
    std::vector<char> piece;
    for (const SafeTensor& t : tensors_) {
        auto found = wanted.find(t.name);
        std::vector<float>* out = found == wanted.end() ? nullptr : found->second;
        bool direct = t.dtype == "F32", brain = t.dtype == "BF16";
        if (out && !direct && !brain && t.dtype != "F16")
            fail(t, "dtype " + t.dtype + ": expected F32, F16 or BF16");
        if (out) out->resize(t.values);
        else direct = false;
        if (!direct) piece.resize(std::min<uint64_t>(kPiece, data_bytes_));
        for (uint64_t done = 0, size = t.end - t.begin; done < size;) {
            uint64_t n = std::min<uint64_t>(kPiece, size - done);
            char* to = direct ? reinterpret_cast<char*>(out->data()) + done : piece.data();
            read_exactly(to, n);
            digest.update(to, n);
            uint64_t first = direct ? done / 4 : done / 2, count = direct ? n / 4 : n / 2;
            done += n;
            if (!out) continue;
            if (!direct)
                for (uint64_t i = 0; i < count; ++i) (*out)[first + i] = widen(to + 2 * i, brain);
            const float* values = out->data() + first;
            uint32_t largest = 0;
            for (uint64_t i = 0; i < count; ++i) largest = std::max(largest, kv::bits_of(values[i]) & 0x7FFFFFFFu);
            if (largest < 0x7F800000u) continue;
            uint64_t i = 0;
            while ((kv::bits_of(values[i]) & 0x7F800000u) != 0x7F800000u) ++i;
            fail(t, place_of(t, first + i, values[i]) + ": expected finite values");
        }
    }
    return digest.finish();
}

}  // namespace kvsim
