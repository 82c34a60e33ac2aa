// Feeds bytes to load_kv_data() as a safetensors file. Whatever they are, the outcome is data of the sizes its shape
// says, all finite, in memory of the order of the file's size, or one Error of kind input in one line.
#include <kvsim/core/error.h>
#include <kvsim/kvdata/kv_data.h>
#include <kvsim/kvdata/safetensors.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <string>

using namespace kvsim;

static void check(bool ok) {
    if (!ok) std::abort();
}

static void check_error(const Error& e) {
    std::string line = e.what();
    check(e.kind() == ErrorKind::input && !line.empty() && line.find('\n') == std::string::npos);
}

static void check_data(const KvData& d, size_t file_bytes) {
    size_t rows = size_t{d.sequences} * d.layers * d.tokens;
    check(rows > 0 && d.kv_heads > 0 && d.query_heads % d.kv_heads == 0 && d.head_dim > 0);
    check(d.q.size() == rows * d.query_heads * d.head_dim);
    check(d.k.size() == rows * d.kv_heads * d.head_dim && d.v.size() == d.k.size());
    check(d.k_pre.empty() || d.k_pre.size() == d.k.size());
    check((d.q.size() + d.k.size() + d.v.size() + d.k_pre.size()) * 2 <= file_bytes);
    for (const auto* values : {&d.q, &d.k, &d.v, &d.k_pre})
        for (float x : *values) check(std::isfinite(x));
    check(d.sha256.size() == 64);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    int fd = memfd_create("kv_data", 0);
    check(fd >= 0 && write(fd, data, size) == static_cast<ssize_t>(size));
    std::string path = "/proc/self/fd/" + std::to_string(fd);  // opened anew each time, so from the start
    try {
        check_data(load_kv_data(path), size);
    } catch (const Error& e) {
        check_error(e);
    }
    try {
        SafeTensors file(path);
        std::map<std::string, std::vector<float>> values;
        std::map<std::string, std::vector<float>*> wanted;
        uint64_t at = 0;
        for (const SafeTensor& t : file.tensors()) {
            check(t.begin == at && t.end >= t.begin && t.end <= size);
            at = t.end;
            wanted[t.name] = &values[t.name];
        }
        file.read(wanted);
        for (const SafeTensor& t : file.tensors()) check(values[t.name].size() == t.values);
    } catch (const Error& e) {
        check_error(e);
    }
    close(fd);
    return 0;
}
