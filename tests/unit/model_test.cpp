#include "model_support.h"

namespace model_test {

using namespace kvsim;
using namespace model_support;

TEST_CASE("KV dtypes: bytes of a row") {
    CHECK(row_bytes("f32", {8, 128}) == 4096);
    CHECK(row_bytes("f16", {8, 128}) == 2048);
    CHECK(row_bytes("bf16", {8, 128}) == 2048);
    CHECK(row_bytes("fp8_e4m3", {8, 128}) == 1024);
    CHECK(row_bytes("f32", {1 << 24, 1 << 24}) == uint64_t{1} << 50);
    CHECK(error_of([] { bytes_per_token(preset("llama-3.1-8b"), "int5"); }) ==
          "unknown KV dtype 'int5' (did you mean 'int8'?); `kvsim list` shows all 13");
    CHECK(error_of([] { bytes_per_token(preset("llama-3.1-8b"), "bf16", "bf61"); }) ==
          "unknown KV dtype 'bf61' (did you mean 'bf16'?); `kvsim list` shows all 13");
}

TEST_CASE("presets: bytes per token at 2 bytes a value, and where attention costs as much as the rest") {
    struct Expected {
        const char* id;
        uint64_t growing;
        uint64_t all;
        double thousand_tokens = 0;  // where attention costs as much as the rest; 0 = not in our notes
    };
    // layers x 2 x kv heads x head_dim x 2 bytes; MLA: layers x 576 x 2 bytes
    const Expected table[] = {
        {"llama-3.1-8b", 131072, 131072, 30.6},         // 32 x 2 x 8 x 128 x 2
        {"llama-3.1-70b", 327680, 327680, 53.8},        // 80 x 4096
        {"llama-3.1-405b", 516096, 516096, 98.3},       // 126 x 4096
        {"llama-2-7b", 524288, 524288, 25.7},           // 32 x 2 x 32 x 128 x 2
        {"mistral-7b", 131072, 131072, 27.6},           // 32 x 4096
        {"mistral-nemo-12b", 163840, 163840, 37.4},     // 40 x 4096
        {"mixtral-8x7b", 131072, 131072, 49},           // 32 x 4096
        {"mixtral-8x22b", 229376, 229376, 57},          // 56 x 4096
        {"qwen2.5-7b", 57344, 57344, 38},               // 28 x 2 x 4 x 128 x 2
        {"qwen2.5-14b", 196608, 196608, 30},            // 48 x 4096
        {"qwen2.5-32b", 262144, 262144, 50},            // 64 x 4096
        {"qwen2.5-72b", 327680, 327680},                // 80 x 4096
        {"qwen3-8b", 147456, 147456, 28},               // 36 x 4096
        {"qwen3-14b", 163840, 163840, 36},              // 40 x 4096
        {"qwen3-32b", 262144, 262144, 31},              // 64 x 4096
        {"qwen3-30b-a3b", 98304, 98304, 8.5},           // 48 x 2048
        {"qwen3-235b-a22b", 192512, 192512, 14},        // 94 x 2048
        {"qwen3-coder-480b-a35b", 253952, 253952, 23},  // 62 x 4096
        {"deepseek-v3", 70272, 70272},                  // 61 x (512 + 64) x 2
        {"kimi-k2", 70272, 70272},                      // the same
        {"glm-5", 89856, 89856},                        // 78 x 576 x 2
        {"gpt-oss-20b", 24576, 49152},                  // 12 of 24 x 2 x 8 x 64 x 2
        {"gpt-oss-120b", 36864, 73728},                 // 18 of 36 x 2048
        {"gemma-2-27b", 188416, 376832},                // 23 of 46 x 2 x 16 x 128 x 2
        {"gemma-3-27b", 81920, 507904},                 // 10 of 62 x 8192
        {"llama-4-scout", 196608, 196608},              // 48 x 4096
        {"llama-4-maverick", 196608, 196608},           // 48 x 4096
        {"minimax-m2.5", 253952, 253952},               // 62 x 4096
        {"phi-2", 327680, 327680},                      // 32 x 2 x 32 x 80 x 2
        {"phi-4", 204800, 204800},                      // 40 x 2 x 10 x 128 x 2
        {"nemotron-3-nano-30b", 6144, 6144},            // 6 x 2 x 2 x 128 x 2
        {"nemotron-h-56b", 40960, 40960},               // 10 x 4096
        {"qwen3.5-397b-a17b", 30720, 30720},            // 15 x 2 x 2 x 256 x 2
    };
    for (const Expected& row : table) {
        CAPTURE(row.id);
        CHECK(bytes_per_token(preset(row.id)) == row.growing);
        CHECK(bytes_per_token_all(preset(row.id)) == row.all);
        CHECK(bytes_per_token(preset(row.id), "f32", "f32") == 2 * row.growing);
        CHECK(2 * bytes_per_token(preset(row.id), "fp8_e4m3", "fp8_e4m3") == row.growing);
        if (row.thousand_tokens == 0) continue;
        // active parameters / (2 x layers x query heads x head_dim)
        const ModelShape& shape = preset(row.id);
        uint64_t attention =
            2 * shape.groups.front().count * *shape.query_heads * shape.groups.front().head_dim;
        double tokens = static_cast<double>(*shape.active_params) / static_cast<double>(attention) / 1000;
        CHECK(std::abs(tokens - row.thousand_tokens) < (row.thousand_tokens < 10 ? 0.06 : 0.51));
    }
    CHECK(models().rows().size() == std::size(table));
}

TEST_CASE("presets: windows, states and published working sets") {
    // gpt-oss: 12 (18) layers x 2048 bytes x 128 tokens
    const ModelShape& oss = preset("gpt-oss-20b");
    CHECK(bytes_per_sequence_at(oss, 1000) - 1000 * bytes_per_token(oss) == 3145728);
    CHECK(bytes_per_sequence_at(preset("gpt-oss-120b"), 128) == 128 * 73728);
    CHECK(bytes_per_sequence_at(preset("gpt-oss-120b"), 129) == 128 * 73728 + 36864);
    // Gemma 3: 52 layers x 8192 bytes x 1024 tokens = 436 MB
    CHECK(bytes_per_sequence_at(preset("gemma-3-27b"), 2000) == 2000 * 81920ULL + 436207616ULL);
    // state layers x heads x dimension x state size x 2 bytes: 24 MB, 453 MB, 94 MB
    CHECK(fixed_bytes(preset("nemotron-3-nano-30b")) == 23ULL * 64 * 64 * 128 * 2);
    CHECK(fixed_bytes(preset("nemotron-h-56b")) == 452984832);
    CHECK(fixed_bytes(preset("qwen3.5-397b-a17b")) == 94371840);
    CHECK(bytes_per_sequence_at(preset("qwen3.5-397b-a17b"), 10) == 94371840 + 307200);
}

TEST_CASE("presets: rows say what was not checked") {
    for (const char* id : {"qwen2.5-72b", "phi-4", "gemma-2-27b", "gemma-3-27b"})
        CHECK(models().get(id).summary.find("not checked against the published config") != std::string::npos);
    CHECK(models().get("llama-3.1-8b").summary == "Llama 3.1 8B: 32 full (8 kv heads x 128)");
    CHECK(models().get("deepseek-v3").summary == "DeepSeek-V3: 61 MLA (latent 576)");
    CHECK(describe(preset("gpt-oss-20b")) == "12 full (8 kv heads x 64), 12 window of 128 (8 kv heads x 64)");
    CHECK(describe(preset("nemotron-h-56b")) == "10 full (8 kv heads x 128), 54 state (8388608 bytes each)");
    for (const ModelRow& row : models().rows()) CHECK(row.id == row.shape.id);
}

TEST_CASE("bytes per block") {
    // 16 tokens x 32 heads x 128 values x (key + value) x 2 bytes, one layer
    ModelShape layer = one_group(full_layers(1, 32, 128));
    CHECK(bytes_per_block(layer, 16, "f16", "f16") == 262144);
    CHECK(bytes_per_block(preset("llama-3.1-8b"), 512) == 67108864);
    CHECK(error_of([&] { bytes_per_block(layer, 0); }) == "block size 0: expected at least 1");
    CHECK(error_of([] { bytes_per_block(one_group(window_layers(4, 64, 2, 32)), 16); }) ==
          "model 'test': no layer grows with every token, so bytes do not say how many blocks there are: "
          "give the capacity in blocks or tokens");
}

TEST_CASE("keys and values of different type and size") {
    const ModelShape& llama = preset("llama-3.1-8b");
    CHECK(bytes_per_token(llama, "bf16", "fp8_e4m3") == 65536 + 32768);
    CHECK(bytes_per_token(llama, "fp8_e4m3") == 32768 + 65536);  // values: the model's default
    LayerGroup group = full_layers(2, 4, 192);
    group.value_head_dim = 128;
    CHECK(bytes_per_token(one_group(group), "f16", "f16") == 2 * 4 * (192 + 128) * 2);
    CHECK(describe(one_group(group)) == "2 full (4 kv heads x 192, values 128)");
    CHECK(bytes_per_token(preset("deepseek-v3"), "fp8_e4m3", "fp8_e4m3") == 61 * 576);
    CHECK(error_of([] { bytes_per_token(preset("deepseek-v3"), "fp8_e4m3"); }) ==
          "model 'deepseek-v3': MLA stores one latent for keys and values: expected one KV dtype, found "
          "'fp8_e4m3' and 'bf16'");
}

TEST_CASE("tensor parallelism: bytes of one replica") {
    const ModelShape& llama = preset("llama-3.1-8b");  // 8 kv heads
    for (uint64_t tp : {1, 2, 4, 8}) CHECK(bytes_per_token(llama, {}, {}, tp) == 131072);
    CHECK(bytes_per_token(llama, {}, {}, 16) == 2 * 131072);  // a head on every rank, each twice
    CHECK(bytes_per_token(llama, {}, {}, 64) == 8 * 131072);
    CHECK(bytes_per_token(preset("deepseek-v3"), {}, {}, 8) == 8 * 70272);
    CHECK(bytes_per_block(llama, 16, {}, {}, 16) == 16 * 2 * 131072);
    // states are split, the two heads of Qwen3.5 are on four ranks each
    CHECK(bytes_per_sequence_at(preset("qwen3.5-397b-a17b"), 0, {}, {}, 8) == 94371840);
    CHECK(bytes_per_token(preset("qwen3.5-397b-a17b"), {}, {}, 8) == 4 * 30720);
    CHECK(error_of([&] { bytes_per_token(llama, {}, {}, 3); }) ==
          "model 'llama-3.1-8b': tp 3: expected a divisor or a multiple of its 8 kv heads");
    CHECK(error_of([&] { bytes_per_token(llama, {}, {}, 12); }) ==
          "model 'llama-3.1-8b': tp 12: expected a divisor or a multiple of its 8 kv heads");
    CHECK(error_of([&] { bytes_per_token(llama, {}, {}, 0); }) ==
          "model 'llama-3.1-8b': tp 0: expected at least 1");
}

TEST_CASE("shapes that make no sense, and sums that do not fit") {
    ModelShape none;
    none.id = "none";
    CHECK(error_of([&] { bytes_per_token(none); }) == "model 'none': expected at least one group of layers");
    auto message = [](const LayerGroup& group) {
        return error_of([&] { bytes_per_token_all(one_group(group)); });
    };
    CHECK(message(full_layers(0, 8, 128)) == "model 'test': count of layers 0: expected at least 1");
    CHECK(message(full_layers(1, 0, 128)) == "model 'test': kv_heads 0: expected at least 1");
    CHECK(message(full_layers(1, 8, 0)) == "model 'test': head_dim 0: expected at least 1");
    CHECK(message(window_layers(1, 0, 8, 64)) == "model 'test': window_tokens 0: expected at least 1");
    CHECK(message(mla_layers(1, 0)) == "model 'test': latent_dim 0: expected at least 1");
    CHECK(message(full_layers(1ULL << 40, 1ULL << 20, 128)) == "model 'test': the bytes do not fit 64 bits");
    CHECK(error_of([] { bytes_per_sequence_at(preset("llama-3.1-8b"), 1ULL << 60); }) ==
          "model 'llama-3.1-8b': the bytes do not fit 64 bits");
    CHECK(error_of([] { bytes_per_block(preset("llama-3.1-8b"), 1ULL << 60); }) ==
          "model 'llama-3.1-8b': the bytes do not fit 64 bits");
    ModelShape two = one_group(state_layers(1, 1ULL << 63));
    two.groups.push_back(two.groups.front());
    CHECK(error_of([&] { bytes_per_sequence_at(two, 1); }) == "model 'test': the bytes do not fit 64 bits");
}

TEST_CASE("notes") {
    CHECK(notes(preset("llama-3.1-8b")).empty());
    CHECK(all_notes(preset("gpt-oss-20b")) ==
          "half the layers keep a window of 128 tokens: bytes follow the model, hits do not; bytes per block leave these layers out");
    CHECK(all_notes(preset("gemma-3-27b")).rfind("52 of 62 layers keep a window of 1024 tokens: bytes", 0) ==
          0);
    CHECK(all_notes(preset("qwen3.5-397b-a17b")) ==
          "45 layers keep a state per sequence (2097152 bytes each): bytes follow the model, hits do not|"
          "states are counted at 2 bytes a value, without convolution windows");
    CHECK(all_notes(one_group(window_layers(4, 64, 2, 32))).rfind("all 4 layers keep a window of 64", 0) ==
          0);
    CHECK(all_notes(one_group(window_layers(1, 64, 2, 32))).rfind("the only layer keeps a window", 0) == 0);
    CHECK(
        all_notes(one_group(state_layers(1, 0))) ==
        "1 layer keeps a state per sequence (bytes not known, not counted): bytes follow the model, hits do "
        "not");
}

}  // namespace model_test
