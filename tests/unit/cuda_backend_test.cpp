// What the CUDA backend says without a GPU, and what of it runs without one. Where there is a GPU the first case makes
// the backend and sends bytes around; everywhere else it says why not.
#include <doctest/doctest.h>
#include <kvsim/backend/cuda.h>
#include <kvsim/backend/swap_pieces.h>
#include <kvsim/core/spec.h>

#include <cstring>
#include <vector>

namespace cuda_backend_test {

using namespace kvsim;

TEST_CASE("cuda: it works, or says in one line why it cannot") {
    const BackendRow& row = backends().get("cuda");
    CHECK(!row.summary.empty());
    Spec spec = Spec::parse("cuda");
    std::string why = row.unavailable();
    CHECK(why == row.unavailable());
    if (!why.empty()) {
        MESSAGE("not run on a GPU: " << why);
        CHECK(why.size() < 200);
        CHECK(why.find('\n') == std::string::npos);
        try {
            row.make(spec);
            FAIL("made");
        } catch (const Error& e) {
            CHECK(e.kind() == ErrorKind::input);
            CHECK(e.what() == "backend cuda: " + why);
        }
        return;
    }
    std::unique_ptr<Backend> cuda = row.make(spec);
    CHECK(cuda->name() == "cuda:0");
    CHECK(cuda->free_bytes() > 0);
    CHECK(cuda->cache_bytes() > 0);
    auto* a = static_cast<uint8_t*>(cuda->allocate(1000));
    auto* b = static_cast<uint8_t*>(cuda->allocate(1000));
    CHECK(reinterpret_cast<uintptr_t>(a) % 256 == 0);
    std::vector<uint8_t> in(1000), out(1000);
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint8_t>(i * 7);
    cuda->fill(b, 0xEE, 1000);
    cuda->copy_in(a, in.data(), in.size());
    cuda->copy(b + 16, a, 500);
    cuda->copy_out(out.data(), b, out.size());
    for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == (i < 16 || i >= 516 ? 0xEE : in[i - 16]));
    CHECK(cuda->time_us([&] { cuda->run_nothing(); }) > 0);
    CHECK(cuda->time_each_us(100, [&](uint32_t) { cuda->run_nothing(); }) < 100);
    CHECK_THROWS_AS(cuda->allocate(uint64_t{1} << 60), Error);
    cuda->release(a);
    cuda->release(b);
}

TEST_CASE("cuda: each way of having no GPU has its line") {
    CHECK(cuda_problem(0, "no error", 1).empty());
    CHECK(cuda_problem(35, "insufficient", 0) == "no NVIDIA driver, or one too old for this build (CUDA error 35)");
    CHECK(cuda_problem(34, "stub", 0) ==
          "the driver found is the toolkit's stub, which runs nothing (CUDA error 34); is its folder on "
          "LD_LIBRARY_PATH?");
    CHECK(cuda_problem(100, "no device", 0) ==
          "no CUDA device: the driver is there, a GPU is not, or CUDA_VISIBLE_DEVICES hides it");
    CHECK(cuda_problem(0, "no error", 0) == cuda_problem(100, "", 0));
    CHECK(cuda_problem(999, "unknown error", 0) == "CUDA does not start: unknown error (CUDA error 999)");
}

TEST_CASE("cuda: which GPUs a build has kernels for") {
    const char* all = "80-real,90-real,100-real,100-virtual";
    CHECK(cuda_runs_on(all, 8, 0));
    CHECK(cuda_runs_on(all, 8, 9));  // sm_80 code runs on all of 8.x
    CHECK_FALSE(cuda_runs_on(all, 7, 5));
    CHECK(cuda_runs_on(all, 9, 0));
    CHECK(cuda_runs_on(all, 10, 3));
    CHECK(cuda_runs_on(all, 12, 0));  // from PTX
    CHECK_FALSE(cuda_runs_on("80-real,90-real", 10, 0));
    CHECK_FALSE(cuda_runs_on("86-real", 8, 0));
    CHECK(cuda_runs_on("80", 9, 0));  // no suffix: both
    CHECK_FALSE(cuda_runs_on("90a-real", 9, 1));
    CHECK(cuda_runs_on("90a-real", 9, 0));
    CHECK(cuda_runs_on("90-virtual", 9, 0));
    CHECK_FALSE(cuda_runs_on("100-virtual", 9, 0));
    CHECK(cuda_runs_on("all-major", 7, 5));
    CHECK_FALSE(cuda_runs_on("", 9, 0));
}

namespace {

// Two layers of 3 blocks, 2 heads of 4 tokens; keys int8 with 8-byte rows and 4 bytes of scale and low, values f16 of
// 16 bytes. A block is 8 rows: 64 + 32 + 128 = 224 bytes a layer, 448 in all.
struct Small {
    std::vector<uint8_t> key_data, key_meta, value_data;
    kv::Pool pool;

    explicit Small(kv::Order order) : key_data(2 * 3 * 64), key_meta(2 * 3 * 32), value_data(2 * 3 * 128) {
        pool.keys = {key_data.data(), key_meta.data(), {kv::RowType::int8, 8, 8, false, true}};
        pool.values = {value_data.data(), nullptr, {kv::RowType::f16, 8, 0, false, true}};
        pool.layers = 2, pool.blocks = 3, pool.heads = 2, pool.block_size = 4, pool.order = order;
        pool.layer_rows = 3 * 8;
    }
};

void copy(const std::vector<CopyPiece>& pieces) {
    for (const CopyPiece& p : pieces) std::memcpy(p.to, p.from, p.bytes);
}

}  // namespace

TEST_CASE("swap pieces: a block is where the format of host blocks says, and comes back") {
    for (kv::Order order : {kv::Order::hnd, kv::Order::nhd}) {
        Small s(order), t(order);
        for (size_t i = 0; i < s.key_data.size(); ++i) s.key_data[i] = static_cast<uint8_t>(i / 64);
        for (size_t i = 0; i < s.key_meta.size(); ++i) s.key_meta[i] = static_cast<uint8_t>(100 + i / 32);
        for (size_t i = 0; i < s.value_data.size(); ++i) s.value_data[i] = static_cast<uint8_t>(200 + i / 128);
        std::vector<uint8_t> host(4 * 448, 0xEE);
        uint32_t blocks[] = {2, 0}, host_blocks[] = {1, 3};
        kv::Swap op;
        op.pool = s.pool, op.host = host.data(), op.count = 2, op.to_host = true;
        REQUIRE(op.block_bytes() == 448);
        std::vector<CopyPiece> pieces = swap_pieces(op, blocks, host_blocks);
        CHECK(pieces.size() == 2 * 2 * 3);  // values have no scales
        copy(pieces);
        // Host block 1 is block 2: of layer 0 it is the third of 3 blocks, of layer 1 the sixth of all.
        auto all = [&](size_t at, size_t bytes, int byte) {
            for (size_t i = 0; i < bytes; ++i)
                if (host[at + i] != byte) return false;
            return true;
        };
        CHECK(all(0, 448, 0xEE));
        CHECK(all(448, 64, 2));
        CHECK(all(448 + 64, 32, 102));
        CHECK(all(448 + 96, 128, 202));
        CHECK(all(448 + 224, 64, 5));
        CHECK(all(448 + 288, 32, 105));
        CHECK(all(448 + 320, 128, 205));
        CHECK(all(896, 448, 0xEE));
        CHECK(all(1344, 64, 0));

        op.pool = t.pool, op.to_host = false;
        uint32_t back[] = {0, 2};
        copy(swap_pieces(op, back, host_blocks));
        CHECK(std::memcmp(t.key_data.data(), s.key_data.data() + 2 * 64, 64) == 0);
        CHECK(std::memcmp(t.key_data.data() + (3 + 2) * 64, s.key_data.data() + 3 * 64, 64) == 0);
        CHECK(std::memcmp(t.value_data.data() + 3 * 128, s.value_data.data() + 5 * 128, 128) == 0);
        CHECK(t.key_data[64] == 0);  // block 1 is nobody's
    }
    kv::Swap none;
    CHECK(swap_pieces(none, nullptr, nullptr).empty());
}

}  // namespace cuda_backend_test
