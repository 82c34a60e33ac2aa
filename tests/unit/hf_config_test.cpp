#include "model_support.h"

namespace hf_config_test {

using namespace kvsim;
using namespace model_support;

TEST_CASE("config.json: the examples") {
    ModelShape gqa = model_from_hf_config(example("example_gqa.json"));
    CHECK(gqa.name == "example-gqa");
    CHECK(gqa.query_heads == 8);
    CHECK(bytes_per_token(gqa) == 4 * 2 * 2 * 64 * 2);
    CHECK(notes(gqa).empty());
    ModelShape mla = resolve_model(example("example_mla.json"));
    CHECK(bytes_per_token(mla) == 3 * (96 + 32) * 2);
    ModelShape hybrid = resolve_model(example("example_hybrid_window.json"));
    CHECK(hybrid.name == "example-hybrid-window");
    CHECK(describe(hybrid) ==
          "2 full (2 kv heads x 32), 2 window of 64 (2 kv heads x 32), 4 state (2048 bytes each)");
    CHECK(bytes_per_token(hybrid) == 512);  // 2 layers x 2 x 2 x 32 x 2
    CHECK(bytes_per_sequence_at(hybrid, 100) == 100 * 512 + 64 * 512 + 4 * 2048);
}

TEST_CASE("config.json: heads") {
    auto bytes = [](const std::string& members) { return bytes_per_token(from_text(config(members))); };
    const uint64_t head = 4 * 2 * 64 * 2;  // 4 layers, keys and values, 64 values
    CHECK(bytes("") == 8 * head);          // MHA
    CHECK(bytes(R"("num_key_value_heads":null)") == 8 * head);
    CHECK(bytes(R"("num_key_value_heads":2)") == 2 * head);  // GQA
    CHECK(bytes(R"("num_key_value_heads":1)") == head);      // MQA
    CHECK(bytes(R"("multi_query":true)") == head);
    CHECK(bytes(R"("multi_query":true,"num_kv_heads":8)") == head);  // Falcon 7B
    CHECK(bytes(R"("multi_query":true,"new_decoder_architecture":true,"num_kv_heads":4)") == 4 * head);
    CHECK(bytes(R"("multi_query":false)") == 8 * head);
    CHECK(bytes(R"("attn_config":{"kv_n_heads":4})") == 4 * head);                          // DBRX
    CHECK(bytes(R"("multi_query_attention":true,"multi_query_group_num":2)") == 2 * head);  // ChatGLM
    CHECK(bytes(R"("head_dim":128)") == 16 * head);
    CHECK(bytes(R"("head_dim":null,"num_key_value_heads":2)") == 2 * head);
    CHECK(bytes(R"("head_dim":96,"v_head_dim":32)") == 8 * head);  // 96 + 32 = 2 x 64
    // GPT-2's names
    ModelShape gpt2 = from_text(R"({"n_layer":12,"n_head":12,"n_embd":768,"torch_dtype":"float32"})");
    CHECK(bytes_per_token(gpt2) == 12 * 2 * 768 * 4);
    // heads and dimension given: nothing else is needed
    ModelShape bare = from_text(R"({"num_hidden_layers":2,"num_key_value_heads":3,"head_dim":5})");
    CHECK(bytes_per_token(bare, "f16", "f16") == 2 * 2 * 3 * 5 * 2);
    CHECK(!bare.query_heads);
    // Gemma's heads are not hidden_size / heads wide
    ModelShape gemma = from_text(
        R"({"model_type":"gemma","num_hidden_layers":1,"hidden_size":3840,"num_attention_heads":16})");
    CHECK(gemma.groups.front().head_dim == 256);
    CHECK(all_notes(gemma).find("no head_dim: 256") != std::string::npos);
}

TEST_CASE("config.json: dtype") {
    auto dtype = [](const std::string& member) {
        return from_text(R"({"num_hidden_layers":2,"num_key_value_heads":1,"head_dim":8)" + member + "}");
    };
    CHECK(dtype(R"(,"torch_dtype":"bfloat16")").default_dtype == "bf16");
    CHECK(dtype(R"(,"torch_dtype":"float16")").default_dtype == "f16");
    CHECK(dtype(R"(,"dtype":"float32")").default_dtype == "f32");
    CHECK(dtype(R"(,"torch_dtype":"bfloat16")").caveats.empty());
    CHECK(dtype("").default_dtype == "bf16");
    CHECK(all_notes(dtype("")) == "the config names no dtype: bf16 is assumed");
    ModelShape float8 = dtype(R"(,"dtype":"float8_e4m3fn")");
    CHECK(float8.default_dtype == "bf16");
    CHECK(all_notes(float8) ==
          "the config's dtype float8_e4m3fn is that of the weights: KV dtype bf16 is assumed");
    CHECK(from_text(R"({"torch_dtype":"float16","text_config":{"num_hidden_layers":2,)"
                    R"("num_key_value_heads":1,"head_dim":8}})")
              .default_dtype == "f16");
    CHECK(from_text(config(R"("dtype":3)")).default_dtype == "bf16");  // torch_dtype comes first
}

TEST_CASE("config.json: MLA as DeepSeek-V3 writes it") {
    ModelShape shape = from_text(
        R"({"model_type":"deepseek_v3","num_hidden_layers":61,"hidden_size":7168,"num_attention_heads":128,
            "num_key_value_heads":128,"kv_lora_rank":512,"qk_nope_head_dim":128,"qk_rope_head_dim":64,
            "v_head_dim":128,"torch_dtype":"bfloat16"})");
    CHECK(same_bytes(shape, preset("deepseek-v3")));
    CHECK(shape.query_heads == 128);
    CHECK(notes(shape).empty());
    CHECK(shape.groups.front().head_dim == 128 + 64);
    CHECK(shape.groups.front().value_head_dim == 128);
    shape = from_text(config(R"("kv_lora_rank":512,"qk_rope_head_dim":64,"index_head_dim":128)"));
    CHECK(bytes_per_token(shape) == 4 * 576 * 2);
    CHECK(all_notes(shape) == "index keys of its sparse attention are not counted");
    CHECK(bytes_per_token(from_text(config(R"("kv_lora_rank":null)"))) == 4 * 2 * 8 * 64 * 2);
}

TEST_CASE("config.json: sliding windows") {
    auto windows = [](const std::string& members) {
        ModelShape shape = from_text(config(members));
        CHECK(layers_of(shape, LayerKind::full) + layers_of(shape, LayerKind::window) == 4);
        return layers_of(shape, LayerKind::window);
    };
    CHECK(windows(R"("sliding_window":64)") == 4);  // Mistral v0.1
    CHECK(windows(R"("sliding_window":null)") == 0);
    CHECK(windows(R"("sliding_window":64,"use_sliding_window":false)") == 0);
    CHECK(windows(R"("sliding_window":64,"use_sliding_window":true)") == 4);
    CHECK(windows(R"("sliding_window":64,"use_sliding_window":true,"max_window_layers":3)") == 1);
    CHECK(windows(R"("sliding_window":4096,"max_position_embeddings":4096)") == 0);  // never reached
    CHECK(windows(R"("sliding_window":64,"sliding_window_pattern":2)") == 2);
    CHECK(windows(R"("sliding_window":64,"_sliding_window_pattern":4)") == 3);
    CHECK(windows(R"("sliding_window":64,"sliding_window_pattern":"LLLG")") == 3);
    CHECK(windows(R"("sliding_window":64,"layer_types":["sliding_attention","full_attention",)"
                  R"("sliding_attention","sliding_attention"])") == 3);
    CHECK(windows(R"("layer_types":["full_attention","chunked_attention","attention","full_attention"],)"
                  R"("attention_chunk_size":8192)") == 0);

    auto family = [](const std::string& type, int layers) {
        return layers_of(
            from_text(R"({"model_type":")" + type + R"(","num_hidden_layers":)" + std::to_string(layers) +
                      R"(,"num_key_value_heads":2,"head_dim":8,"sliding_window":64})"),
            LayerKind::window);
    };
    CHECK(family("qwen2", 4) == 0);  // off unless switched on
    CHECK(family("gemma2", 7) == 4);
    CHECK(family("gpt_oss", 4) == 2);
    CHECK(family("gemma3_text", 13) == 11);
    CHECK(family("cohere2", 8) == 6);
    ModelShape shared =
        from_text(config(R"("sliding_window":64,"num_kv_shared_layers":2,"sliding_window_pattern":2)"));
    CHECK(describe(shared) == "1 full (8 kv heads x 64), 1 window of 64 (8 kv heads x 64)");
    CHECK(all_notes(shared).find("the last 2 layers read the keys and values of earlier ones") !=
          std::string::npos);
}

TEST_CASE("config.json: published window models agree with the presets") {
    std::string types = repeat(R"("sliding_attention","full_attention",)", 12);
    types.pop_back();
    CHECK(same_bytes(from_text(R"({"model_type":"gpt_oss","torch_dtype":"bfloat16","num_hidden_layers":24,)"
                               R"("num_attention_heads":64,"num_key_value_heads":8,"head_dim":64,)"
                               R"("sliding_window":128,"max_position_embeddings":131072,"layer_types":[)" +
                               types + "]}"),
                     preset("gpt-oss-20b")));
    ModelShape gemma = from_text(
        R"({"model_type":"gemma3","torch_dtype":"bfloat16","vision_config":{"num_hidden_layers":27},
            "text_config":{"model_type":"gemma3_text","num_hidden_layers":62,"hidden_size":5376,
            "num_attention_heads":32,"num_key_value_heads":16,"head_dim":128,"sliding_window":1024}})");
    CHECK(same_bytes(gemma, preset("gemma-3-27b")));
    CHECK(all_notes(gemma).find("every 6th layer full, the default of gemma3_text, is assumed") !=
          std::string::npos);
}

TEST_CASE("config.json: hybrids") {
    // Nemotron-H 56B: 54 Mamba, 10 attention, 54 feed-forward layers
    std::string letters = repeat("M-", 44) + repeat("M-*", 10);
    std::string nemotron =
        R"({"model_type":"nemotron_h","torch_dtype":"bfloat16","num_hidden_layers":118,"hidden_size":8192,
            "num_attention_heads":64,"num_key_value_heads":8,"attention_head_dim":128,"mamba_num_heads":256,
            "mamba_head_dim":64,"ssm_state_size":256,"time_step_limit":[0.0, Infinity],
            "hybrid_override_pattern":")";
    CHECK(same_bytes(from_text(nemotron + letters + "\"}"), preset("nemotron-h-56b")));

    std::string qwen =
        R"({"model_type":"qwen3_5_moe","text_config":{"num_hidden_layers":60,"dtype":"bfloat16",
            "num_attention_heads":32,"num_key_value_heads":2,"head_dim":256,"full_attention_interval":4,
            "linear_num_value_heads":64,"linear_key_head_dim":128,"linear_value_head_dim":128)";
    ModelShape shape = from_text(qwen + "}}");
    CHECK(same_bytes(shape, preset("qwen3.5-397b-a17b")));
    CHECK(notes(shape) == notes(preset("qwen3.5-397b-a17b")));
    shape = from_text(qwen + R"(,"mamba_ssm_dtype":"float32"}})");  // the config names the states' own type
    CHECK(fixed_bytes(shape) == 2 * 94371840);
    CHECK(all_notes(shape).find("states are counted at 4 bytes a value") != std::string::npos);

    // Jamba: layer i is attention where i mod period = offset; state = expand x hidden x d_state
    shape = from_text(
        config(R"("attn_layer_period":4,"attn_layer_offset":2,"mamba_expand":2,"mamba_d_state":16)"));
    CHECK(describe(shape) == "1 full (8 kv heads x 64), 3 state (32768 bytes each)");  // 2 x 512 x 16 x 2
    // Bamba
    shape = from_text(
        config(R"("attn_layer_indices":[1,3],"mamba_n_heads":4,"mamba_d_head":8,"mamba_d_state":16)"));
    CHECK(describe(shape) == "2 full (8 kv heads x 64), 2 state (1024 bytes each)");
    shape = from_text(config(R"("layer_types":["mamba","attention","mamba","mamba"],"mamba_n_heads":16,)"
                             R"("mamba_d_head":"auto","mamba_expand":2,"mamba_d_state":16)"));
    CHECK(describe(shape) == "1 full (8 kv heads x 64), 3 state (32768 bytes each)");
    // MiniMax: 8 heads x 64 x 64 x 2 bytes
    shape = from_text(config(R"("head_dim":64,"attn_type_list":[0,1,1,1])"));
    CHECK(describe(shape) == "3 full (8 kv heads x 64), 1 state (65536 bytes each)");
    // LFM2: only convolution windows, which are not counted
    shape = from_text(config(R"("layer_types":["conv","full_attention","conv","full_attention"])"));
    CHECK(describe(shape) == "2 full (8 kv heads x 64), 2 state");
    CHECK(all_notes(shape).find("bytes not known, not counted") != std::string::npos);
    shape = from_text(config(R"("layers_block_type":["mamba","moe","attention","mlp"])"));
    CHECK(describe(shape) == "1 full (8 kv heads x 64), 1 state");
}

TEST_CASE("config.json: wrong sizes") {
    const std::string million = "expected a whole number from 1 to 1000000, found ";
    CHECK(config_error("{}") == " num_hidden_layers: " + million + "nothing");
    for (const char* bad : {"0", "-1", "1000001", "32.0", "\"32\"", "true", "1e30", "18446744073709551616"}) {
        CAPTURE(bad);
        std::string message = config_error(std::string(R"({"num_hidden_layers":)") + bad + "}");
        CHECK(message.rfind(" num_hidden_layers: " + million, 0) == 0);
    }
    CHECK(config_error(R"({"num_hidden_layers":[1,2]})") == " num_hidden_layers: " + million + "a list of 2");
    CHECK(config_error(R"({"num_hidden_layers":{}})") == " num_hidden_layers: " + million + "an object");
    CHECK(config_error(R"({"text_config":{"num_hidden_layers":0}})") ==
          " text_config.num_hidden_layers: " + million + "0");
    CHECK(config_error(R"({"num_hidden_layers":4})") == " num_attention_heads: " + million + "nothing");
    CHECK(config_error(R"({"num_hidden_layers":4,"num_attention_heads":8})") ==
          " hidden_size: expected a whole number from 1 to 1000000000, found nothing");
    CHECK(config_error(R"({"num_hidden_layers":4,"num_attention_heads":7,"hidden_size":512})") ==
          " hidden_size: expected a multiple of the 7 attention heads, or head_dim, found 512");
    wrong(R"("num_key_value_heads":3)",
          "num_key_value_heads: expected a divisor of the 8 attention heads, found 3");
    wrong(R"("num_key_value_heads":[1,2])", "num_key_value_heads: " + million + "a list of 2");
    wrong(R"("head_dim":0)", "head_dim: " + million + "0");
    wrong(R"("multi_query":1)", "multi_query: expected true or false, found 1");
    wrong(R"("kv_lora_rank":512)", "qk_rope_head_dim: " + million + "nothing");
    wrong(R"("kv_lora_rank":512,"qk_rope_head_dim":64,"sliding_window":64)",
          "sliding_window: expected none beside kv_lora_rank (MLA)");
    wrong(R"("sliding_window":0)",
          "sliding_window: expected a whole number from 1 to 1099511627776, found 0");
    wrong(R"("num_kv_shared_layers":4)",
          "num_kv_shared_layers: expected a whole number from 0 to 3, found 4");
}

TEST_CASE("config.json: wrong kinds of layers") {
    wrong(R"("layer_types":["full_attention"])",
          "layer_types: expected one entry for each of the 4 layers, found 1");
    wrong(R"("layer_types":"full_attention")",
          "layer_types: expected a list of strings, found \"full_attention\"");
    wrong(R"("layer_types":["full_attention",1])",
          "layer_types: expected a list of strings, found 1 at index 1");
    wrong(R"("layer_types":["conv","conv","conv","conw"])",
          "layer_types: expected one of full_attention, attention, sliding_attention, mamba, "
          "linear_attention, chunked_attention, conv, mlp, moe, found \"conw\" at index 3");
    wrong(R"("layer_types":["moe","mlp","moe","mlp"])",
          "num_hidden_layers: expected a layer that stores keys and values");
    wrong(R"("layer_types":["sliding_attention","moe","mlp","mlp"])",
          "sliding_window: expected a whole number from 1 to 1099511627776, found nothing");
    wrong(R"("hybrid_override_pattern":"M*-")",
          "hybrid_override_pattern: expected one entry for each of the 4 layers, found 3");
    wrong(R"("hybrid_override_pattern":"M*-X")",
          "hybrid_override_pattern: expected the letters M, *, - and E only");
    wrong(R"("attn_type_list":[0,1,2,1])",
          "attn_type_list: expected whole numbers from 0 to 1, found 2 at index 2");
    wrong(R"("attn_layer_indices":[4])",
          "attn_layer_indices: expected whole numbers from 0 to 3, found 4 at index 0");
    wrong(R"("attn_layer_indices":4)", "attn_layer_indices: expected a list of whole numbers, found 4");
    wrong(R"("attn_layer_period":4)",
          "attn_layer_offset: expected a whole number from 0 to 3, found nothing");
    wrong(R"("sliding_window":64,"sliding_window_pattern":"LLX")",
          "sliding_window_pattern: expected a whole number or the letters L and G, found \"LLX\"");
    wrong(R"("mamba_d_state":16)",
          "layer_types: expected a list with the kind of each layer, because the config has mamba_d_state");
    wrong(R"("is_encoder_decoder":true)",
          "is_encoder_decoder: expected a config without it: kvsim does not know what it stores");
    CHECK(bytes_per_token(from_text(config(R"("is_encoder_decoder":false)"))) == 4 * 2 * 8 * 64 * 2);
    wrong(R"("linear_attn_config":{"num_heads":64})",
          "linear_attn_config: expected a config without it: kvsim does not know what it stores");
    wrong(R"("full_attention_interval":2,"mamba_ssm_dtype":"int8")",
          "mamba_ssm_dtype: expected float32, float16, bfloat16 or auto, found \"int8\"");
    CHECK(config_error(R"({"num_hidden_layers":4,"torch_dtype":"int8"})") ==
          " torch_dtype: expected bfloat16, float16, float32 or float8..., found \"int8\"");
    CHECK(config_error(R"({"num_hidden_layers":4,"torch_dtype":16})") ==
          " torch_dtype: expected a string, found 16");
    CHECK(config_error(R"({"torch_dtype":16,"text_config":{"num_hidden_layers":4}})") ==
          " torch_dtype: expected a string, found 16");
    CHECK(config_error(R"({"model_type":["llama"]})") == " model_type: expected a string, found a list of 1");
}

TEST_CASE("config.json: not JSON, not there") {
    CHECK(config_error("").rfind("1:1: not valid JSON", 0) == 0);
    CHECK(config_error("{\n  \"a\": 1,\n  \"b\" 2\n}").rfind("3:7: not valid JSON", 0) == 0);
    CHECK(config_error("{\"a\": [1, 2").find("1:") == 0);
    CHECK(config_error("{} x").find("not valid JSON") != std::string::npos);
    CHECK(config_error("{\"a\": \"\xff\"}").find("not valid JSON") != std::string::npos);
    CHECK(config_error("{\"a\": 1e999}") == " not valid JSON: a number is out of range");
    CHECK(config_error("[1]") ==
          " expected a JSON object with the keys of a model's config.json, found a list of 1");
    CHECK(config_error(std::string(100000, '[')).find("not valid JSON") != std::string::npos);
    CHECK(config_error(std::string((16u << 20) + 1, ' ')) ==
          " expected a model's config.json, found a file of more than 16 MiB");
    // what Python writes for non-finite numbers is accepted, strings stay as they are
    ModelShape shape = from_text(R"({"_name_or_path":"NaN \"Infinity\"","x":[NaN,-Infinity,Infinity],)"
                                 R"("num_hidden_layers":1,"num_key_value_heads":1,"head_dim":8})");
    CHECK(shape.name == "NaN \"Infinity\"");
    CHECK(error_of([] { model_from_hf_config("/nonexistent/config.json"); }, ErrorKind::io) ==
          "/nonexistent/config.json: cannot open: No such file or directory");
}

TEST_CASE("resolve_model") {
    CHECK(resolve_model("llama-3.1-8b").name == "Llama 3.1 8B");
    CHECK(error_of([] {
              resolve_model("llama-3.1-8");
          }).rfind("unknown model 'llama-3.1-8' (did you mean 'llama-3.1-8b'?); `kvsim list` shows all ", 0) ==
          0);
    CHECK(error_of([] { resolve_model("missing.json"); }, ErrorKind::io)
              .rfind("missing.json: cannot open", 0) == 0);
    CHECK(error_of([] { resolve_model("meta/llama"); }, ErrorKind::io).rfind("meta/llama: cannot open", 0) ==
          0);
    // a directory stands for the config.json in it
    fs::path directory = fs::temp_directory_path() / ("kvsim_model_dir_" + std::to_string(getpid()));
    fs::create_directory(directory);
    std::ofstream(directory / "config.json") << config("");
    ModelShape shape = resolve_model(directory.string());
    fs::remove_all(directory);
    CHECK(bytes_per_token(shape) == 4 * 2 * 8 * 64 * 2);
    CHECK(shape.name == "test");
}

}  // namespace hf_config_test
