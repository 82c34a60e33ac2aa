// The model presets: one row each. A new model is a new row of kPresets.
#include <kvsim/model/model.h>

#include <cmath>

namespace kvsim {

namespace {

struct ModelPreset {
    const char* id;
    const char* name;
    std::vector<LayerGroup> groups;
    uint64_t query_heads;     ///< 0 = not known
    double active_billions;   ///< 0 = not known
    const char* caveat = "";  ///< what the bytes leave out or assume
    bool checked = true;      ///< against the published config
    const char* dtype = "bf16";
};

constexpr const char* kState = "states are counted at 2 bytes a value, without convolution windows";
constexpr const char* kChunks = "layers with chunked attention are counted as full";

std::vector<ModelPreset> dense_presets() {
    return {
        {"llama-2-7b", "Llama 2 7B", {full_layers(32, 32, 128)}, 32, 6.738, "", true, "f16"},
        {"llama-3.1-8b", "Llama 3.1 8B", {full_layers(32, 8, 128)}, 32, 8.03},
        {"llama-3.1-70b", "Llama 3.1 70B", {full_layers(80, 8, 128)}, 64, 70.55},
        {"llama-3.1-405b", "Llama 3.1 405B", {full_layers(126, 8, 128)}, 128, 405.9},
        {"mistral-7b",
         "Mistral 7B",
         {full_layers(32, 8, 128)},
         32,
         7.242,
         "as of v0.2: v0.1 keeps a window of 4096 tokens"},
        {"mistral-nemo-12b", "Mistral Nemo 12B", {full_layers(40, 8, 128)}, 32, 12.25},
        {"qwen2.5-7b", "Qwen2.5 7B", {full_layers(28, 4, 128)}, 28, 7.616},
        {"qwen2.5-14b", "Qwen2.5 14B", {full_layers(48, 8, 128)}, 40, 14.77},
        {"qwen2.5-32b", "Qwen2.5 32B", {full_layers(64, 8, 128)}, 40, 32.76},
        {"qwen2.5-72b", "Qwen2.5 72B", {full_layers(80, 8, 128)}, 64, 72.7, "", false},
        {"qwen3-8b", "Qwen3 8B", {full_layers(36, 8, 128)}, 32, 8.19},
        {"qwen3-14b", "Qwen3 14B", {full_layers(40, 8, 128)}, 40, 14.77},
        {"qwen3-32b", "Qwen3 32B", {full_layers(64, 8, 128)}, 64, 32.76},
        {"phi-2", "Phi-2", {full_layers(32, 32, 80)}, 32, 2.78, "", true, "f16"},
        {"phi-4", "Phi-4", {full_layers(40, 10, 128)}, 40, 14.66, "", false},
    };
}

std::vector<ModelPreset> expert_presets() {
    return {
        {"mixtral-8x7b", "Mixtral 8x7B", {full_layers(32, 8, 128)}, 32, 12.88},
        {"mixtral-8x22b", "Mixtral 8x22B", {full_layers(56, 8, 128)}, 48, 39.15},
        {"qwen3-30b-a3b", "Qwen3 30B-A3B", {full_layers(48, 4, 128)}, 32, 3.34},
        {"qwen3-235b-a22b", "Qwen3 235B-A22B", {full_layers(94, 4, 128)}, 64, 22},
        {"qwen3-coder-480b-a35b", "Qwen3-Coder 480B-A35B", {full_layers(62, 8, 128)}, 96, 35},
        {"llama-4-scout", "Llama 4 Scout", {full_layers(48, 8, 128)}, 40, 17, kChunks},
        {"llama-4-maverick", "Llama 4 Maverick", {full_layers(48, 8, 128)}, 40, 17, kChunks},
        {"minimax-m2.5", "MiniMax-M2.5", {full_layers(62, 8, 128)}, 48, 10},
        {"deepseek-v3", "DeepSeek-V3", {mla_layers(61, 512 + 64, 128 + 64, 128)}, 128, 37},
        {"kimi-k2", "Kimi K2", {mla_layers(61, 512 + 64, 128 + 64, 128)}, 64, 32},
        {"glm-5",
         "GLM-5",
         {mla_layers(78, 512 + 64)},
         64,
         40,  // technical report, table of architectures; how much its sparse attention computes is left open
         "index keys of its sparse attention (128 values a token and layer) are not counted"},
    };
}

/// Layers with a window, or with a state (heads x dimension x state size x 2 bytes).
std::vector<ModelPreset> hybrid_presets() {
    return {
        {"gpt-oss-20b", "gpt-oss 20B", {full_layers(12, 8, 64), window_layers(12, 128, 8, 64)}, 64, 3.6},
        {"gpt-oss-120b", "gpt-oss 120B", {full_layers(18, 8, 64), window_layers(18, 128, 8, 64)}, 64, 5.1},
        {"gemma-2-27b",
         "Gemma 2 27B",
         {full_layers(23, 16, 128), window_layers(23, 4096, 16, 128)},
         32,
         27.2,
         "",
         false},
        {"gemma-3-27b",
         "Gemma 3 27B",
         {full_layers(10, 16, 128), window_layers(52, 1024, 16, 128)},
         32,
         27,
         "",
         false},
        {"nemotron-3-nano-30b",
         "Nemotron 3 Nano 30B-A3B",
         {full_layers(6, 2, 128), state_layers(23, uint64_t{64} * 64 * 128 * 2)},
         32,
         3.6,  // technical report; 3.2 without embeddings
         kState},
        {"nemotron-h-56b",
         "Nemotron-H 56B",
         {full_layers(10, 8, 128), state_layers(54, uint64_t{256} * 64 * 256 * 2)},
         64,
         56,
         kState},
        {"qwen3.5-397b-a17b",
         "Qwen3.5 397B-A17B",
         {full_layers(15, 2, 256), state_layers(45, uint64_t{64} * 128 * 128 * 2)},
         32,
         17,
         kState},
    };
}

ModelRow model_row(const ModelPreset& preset) {
    ModelShape shape;
    shape.id = preset.id;
    shape.name = preset.name;
    shape.default_dtype = preset.dtype;
    shape.groups = preset.groups;
    if (preset.query_heads != 0) shape.query_heads = preset.query_heads;
    if (preset.active_billions > 0)
        shape.active_params = static_cast<uint64_t>(std::llround(preset.active_billions * 1e9));
    if (*preset.caveat != '\0') shape.caveats.emplace_back(preset.caveat);
    if (!preset.checked)
        shape.caveats.emplace_back("the preset was not checked against the published config");
    std::string summary = shape.name + ": " + describe(shape);
    for (const std::string& caveat : shape.caveats) summary += "; " + caveat;
    return {shape.id, summary, shape};
}

}  // namespace

Registry<ModelRow>& models() {
    static Registry<ModelRow> registry = [] {
        Registry<ModelRow> r("model");
        for (const auto& table : {dense_presets(), expert_presets(), hybrid_presets()})
            for (const ModelPreset& preset : table) r.add(model_row(preset));
        return r;
    }();
    return registry;
}

}  // namespace kvsim
