#include <kvsim/quant/dtype.h>
#include <kvsim/model/hf_config.h>
#include <kvsim/model/hf_reader.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>

namespace kvsim {

namespace {

constexpr uint64_t kMaxCount = 1'000'000;      // layers, heads, dimensions of a head or a state
constexpr uint64_t kMaxTokens = 1ULL << 40;    // windows and contexts
constexpr uint64_t kMaxWidth = 1'000'000'000;  // hidden size
constexpr const char* kHidden[] = {"hidden_size", "n_embd", "d_model"};

/// What one layer stores.
enum class Use : uint8_t { nothing, full, window, mamba, linear, conv };

/// One config on its way to a shape.
class HfModel {
  public:
    explicit HfModel(const std::string& path) : in_(path) { shape_.id = path; }
    ModelShape build();

  private:
    void refuse_unknown_shapes() const;
    void read_dtype();

    std::vector<Use> layer_uses();
    std::vector<Use> from_layer_types(const std::string& key);
    std::vector<Use> from_letters(const std::string& key) const;
    std::vector<Use> from_attention_list(const std::string& key) const;
    std::vector<Use> from_indices(const std::string& key) const;
    std::vector<Use> from_windows();
    std::vector<Use> from_window_pattern(const std::string& key) const;

    void add_attention(const std::vector<Use>& uses);
    void add_states(const std::vector<Use>& uses);
    uint64_t state_values(Use use) const;
    uint64_t state_value_bytes() const;
    uint64_t kv_heads(std::optional<uint64_t> query_heads) const;
    uint64_t head_dim(std::optional<uint64_t> query_heads);

    uint64_t hidden() const { return in_.need({kHidden[0], kHidden[1], kHidden[2]}, kMaxWidth); }
    void expect_length(const std::string& key, size_t length) const;
    bool family(std::string_view prefix) const { return type_.rfind(prefix, 0) == 0; }
    template <class Rule>
    std::vector<Use> by_rule(Rule&& rule) const {
        std::vector<Use> uses(layers_);
        for (uint64_t i = 0; i < layers_; ++i) uses[i] = rule(i);
        return uses;
    }

    ConfigReader in_;
    ModelShape shape_;
    std::string type_;
    uint64_t layers_ = 0;
};

uint64_t count_of(const std::vector<Use>& uses, Use use) {
    return static_cast<uint64_t>(std::count(uses.begin(), uses.end(), use));
}

ModelShape HfModel::build() {
    type_ = in_.text("model_type").value_or("");
    shape_.name = in_.text_anywhere("_name_or_path").value_or("");
    if (shape_.name.empty()) shape_.name = type_.empty() ? shape_.id : type_;
    refuse_unknown_shapes();
    read_dtype();
    layers_ = in_.need({"num_hidden_layers", "n_layer", "n_layers", "num_layers"}, kMaxCount);
    shape_.query_heads = in_.whole({"num_attention_heads", "n_head", "n_heads", "num_heads"}, kMaxCount);
    std::vector<Use> uses = layer_uses();
    if (uint64_t shared = in_.whole({"num_kv_shared_layers"}, layers_ - 1, 0).value_or(0)) {
        std::fill(uses.end() - static_cast<std::ptrdiff_t>(shared), uses.end(), Use::nothing);
        shape_.caveats.push_back("the last " + std::to_string(shared) +
                                 " layers read the keys and values of earlier ones and store none");
    }
    add_attention(uses);
    add_states(uses);
    if (shape_.groups.empty())
        in_.reject("num_hidden_layers", "expected a layer that stores keys and values");
    if (!in_.empty("index_head_dim"))
        shape_.caveats.emplace_back("index keys of its sparse attention are not counted");
    if (!in_.empty("attention_chunk_size") && count_of(uses, Use::window) == 0)
        shape_.caveats.emplace_back("layers with chunked attention are counted as full");
    return shape_;
}

/// A wrong number is worse than none: keys that change what is stored in ways not modelled here.
void HfModel::refuse_unknown_shapes() const {
    for (const char* key :
         {"linear_attn_config", "hybrid_layer_pattern", "swa_num_key_value_heads", "swa_head_dim",
          "global_head_dim", "num_global_key_value_heads", "num_key_value_heads_per_layer", "block_configs",
          "block_types", "compress_ratios", "cross_attention_layers", "is_encoder_decoder"})
        if (!in_.empty(key))
            in_.reject(key, "expected a config without it: kvsim does not know what it stores");
}

void HfModel::read_dtype() {
    std::string key = "torch_dtype";
    std::optional<std::string> dtype = in_.text_anywhere(key);
    if (!dtype) dtype = in_.text_anywhere(key = "dtype");
    shape_.default_dtype = "bf16";
    if (!dtype || *dtype == "auto") {
        shape_.caveats.emplace_back("the config names no dtype: bf16 is assumed");
    } else if (dtype->rfind("float8", 0) == 0) {
        shape_.caveats.push_back("the config's dtype " + *dtype +
                                 " is that of the weights: KV dtype bf16 is assumed");
    } else if (*dtype == "float16" || *dtype == "half") {
        shape_.default_dtype = "f16";
    } else if (*dtype == "float32" || *dtype == "float") {
        shape_.default_dtype = "f32";
    } else if (*dtype != "bfloat16") {
        in_.reject(
            key, "expected bfloat16, float16, float32 or float8..., found \"" + dtype->substr(0, 40) + "\"");
    }
}

void HfModel::expect_length(const std::string& key, size_t length) const {
    if (length != layers_)
        in_.reject(key, "expected one entry for each of the " + std::to_string(layers_) + " layers, found " +
                            std::to_string(length));
}

std::vector<Use> HfModel::layer_uses() {
    for (const char* key : {"layer_types", "layers_block_type"})
        if (!in_.empty(key)) return from_layer_types(key);
    if (in_.has("hybrid_override_pattern")) return from_letters("hybrid_override_pattern");
    if (!in_.empty("attn_type_list")) return from_attention_list("attn_type_list");
    if (!in_.empty("attn_layer_indices")) return from_indices("attn_layer_indices");
    if (auto interval = in_.whole({"full_attention_interval"}, kMaxCount))
        return by_rule([&](uint64_t i) { return (i + 1) % *interval == 0 ? Use::full : Use::linear; });
    if (auto period = in_.whole({"attn_layer_period"}, kMaxCount)) {
        uint64_t offset = in_.need({"attn_layer_offset"}, *period - 1, 0);
        return by_rule([&](uint64_t i) { return i % *period == offset ? Use::full : Use::mamba; });
    }
    std::string key = in_.first_of({"mamba_num_heads", "mamba_n_heads", "mamba_d_state", "ssm_state_size",
                                    "linear_num_value_heads", "linear_key_head_dim"});
    if (!key.empty())
        in_.reject("layer_types",
                   "expected a list with the kind of each layer, because the config has " + key);
    return from_windows();
}

std::vector<Use> HfModel::from_layer_types(const std::string& key) {
    struct Word {
        const char* word;
        Use use;
    };
    static constexpr Word kWords[] = {
        {"full_attention", Use::full},
        {"attention", Use::full},
        {"sliding_attention", Use::window},
        {"mamba", Use::mamba},
        {"linear_attention", Use::linear},
        {"chunked_attention", Use::full},
        {"conv", Use::conv},
        {"mlp", Use::nothing},
        {"moe", Use::nothing},
    };
    std::vector<std::string> words = in_.words(key);
    expect_length(key, words.size());
    std::vector<Use> uses;
    for (const std::string& word : words) {
        const Word* known =
            std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) { return word == w.word; });
        if (known == std::end(kWords)) {
            std::vector<std::string> ids;
            for (const Word& w : kWords) ids.emplace_back(w.word);
            in_.reject(key, "expected one of " + join(ids) + ", found \"" + word.substr(0, 40) +
                                "\" at index " + std::to_string(uses.size()));
        }
        uses.push_back(known->use);
    }
    return uses;
}

/// Nemotron-H: M Mamba, * attention, - feed-forward, E experts.
std::vector<Use> HfModel::from_letters(const std::string& key) const {
    std::string letters = in_.text(key).value_or("");
    expect_length(key, letters.size());
    return by_rule([&](uint64_t i) {
        switch (letters[i]) {
            case 'M':
                return Use::mamba;
            case '*':
                return Use::full;
            case '-':
            case 'E':
                return Use::nothing;
            default:
                in_.reject(key, "expected the letters M, *, - and E only");
        }
    });
}

/// MiniMax: 1 full attention, 0 linear ("lightning") attention.
std::vector<Use> HfModel::from_attention_list(const std::string& key) const {
    std::vector<uint64_t> list = in_.numbers(key, 1);
    expect_length(key, list.size());
    return by_rule([&](uint64_t i) { return list[i] == 1 ? Use::full : Use::linear; });
}

/// Bamba: the attention layers by number, all others are Mamba.
std::vector<Use> HfModel::from_indices(const std::string& key) const {
    std::vector<Use> uses(layers_, Use::mamba);
    for (uint64_t i : in_.numbers(key, layers_ - 1)) uses[i] = Use::full;
    return uses;
}

/// Configs that do not list their layers: which of them have a sliding window follows from the model family.
std::vector<Use> HfModel::from_windows() {
    std::vector<Use> all_full(layers_, Use::full);
    bool on = in_.flag("use_sliding_window").value_or(!family("qwen"));
    if (!on || !in_.has("sliding_window")) return all_full;
    uint64_t window = in_.need({"sliding_window"}, kMaxTokens);
    auto context = in_.whole({"max_position_embeddings"}, kMaxTokens);
    if (context && window >= *context) return all_full;
    for (const char* key : {"sliding_window_pattern", "_sliding_window_pattern"})
        if (in_.has(key)) return from_window_pattern(key);
    if (family("gemma2") || family("gpt_oss"))
        return by_rule([](uint64_t i) { return i % 2 == 0 ? Use::window : Use::full; });
    if (family("gemma3") || family("cohere2")) {
        uint64_t period = family("gemma3") ? 6 : 4;
        shape_.caveats.push_back("the config has no sliding_window_pattern: every " + std::to_string(period) +
                                 "th layer full, the default of " + type_ + ", is assumed");
        return by_rule([&](uint64_t i) { return (i + 1) % period == 0 ? Use::full : Use::window; });
    }
    uint64_t first = in_.whole({"max_window_layers"}, kMaxCount, 0).value_or(0);
    return by_rule([&](uint64_t i) { return i >= first ? Use::window : Use::full; });
}

/// A number p (every p-th layer is full) or letters that repeat (L local, G global).
std::vector<Use> HfModel::from_window_pattern(const std::string& key) const {
    if (!in_.is_text(key)) {
        uint64_t period = in_.need({key.c_str()}, kMaxCount);
        return by_rule([&](uint64_t i) { return (i + 1) % period == 0 ? Use::full : Use::window; });
    }
    std::string letters = *in_.text(key);
    if (letters.empty() || letters.find_first_not_of("LG") != std::string::npos)
        in_.fail(key, "a whole number or the letters L and G");
    return by_rule([&](uint64_t i) { return letters[i % letters.size()] == 'G' ? Use::full : Use::window; });
}

void HfModel::add_attention(const std::vector<Use>& uses) {
    uint64_t full = count_of(uses, Use::full), windowed = count_of(uses, Use::window);
    if (full + windowed == 0) return;
    if (in_.has("kv_lora_rank")) {
        uint64_t latent = in_.need({"kv_lora_rank"}, kMaxCount) + in_.need({"qk_rope_head_dim"}, kMaxCount);
        if (windowed != 0) in_.reject("sliding_window", "expected none beside kv_lora_rank (MLA)");
        LayerGroup group = mla_layers(full, latent);
        auto key = in_.whole({"qk_nope_head_dim"}, kMaxCount), value = in_.whole({"v_head_dim"}, kMaxCount);
        if (key && value && !in_.has("index_head_dim")) {  // sparse attention computes less than its widths say
            group.head_dim = *key + in_.need({"qk_rope_head_dim"}, kMaxCount);
            group.value_head_dim = *value;
        }
        shape_.groups.push_back(group);
        return;
    }
    uint64_t heads = kv_heads(shape_.query_heads);
    uint64_t dim = head_dim(shape_.query_heads);
    uint64_t value_dim = in_.whole({"v_head_dim"}, kMaxCount).value_or(0);
    if (full != 0) shape_.groups.push_back(full_layers(full, heads, dim));
    if (windowed != 0)
        shape_.groups.push_back(
            window_layers(windowed, in_.need({"sliding_window"}, kMaxTokens), heads, dim));
    for (LayerGroup& group : shape_.groups) group.value_head_dim = value_dim;
}

uint64_t HfModel::kv_heads(std::optional<uint64_t> query_heads) const {
    std::string key = in_.first_of({"num_key_value_heads"});
    if (key.empty()) {
        bool new_falcon = in_.flag("new_decoder_architecture").value_or(false);
        if (in_.flag("multi_query").value_or(false) && !new_falcon) return 1;
        bool grouped = in_.flag("multi_query_attention").value_or(false);
        key = in_.first_of({"num_kv_heads", "n_head_kv", "attn_config.kv_n_heads"});
        if (key.empty() && grouped) key = "multi_query_group_num";
    }
    uint64_t heads = 0;
    if (!key.empty()) {
        heads = in_.need({key.c_str()}, kMaxCount);
    } else if (query_heads) {
        heads = *query_heads;
    } else {
        in_.fail("num_attention_heads", "a whole number from 1 to " + std::to_string(kMaxCount));
    }
    if (query_heads && *query_heads % heads != 0)
        in_.fail(key, "a divisor of the " + std::to_string(*query_heads) + " attention heads");
    return heads;
}

uint64_t HfModel::head_dim(std::optional<uint64_t> query_heads) {
    if (auto dim = in_.whole({"head_dim", "attention_head_dim", "kv_channels"}, kMaxCount)) return *dim;
    if (family("gemma")) {  // its heads are not hidden_size / heads wide
        shape_.caveats.emplace_back("the config has no head_dim: 256, the default of its family, is assumed");
        return 256;
    }
    uint64_t heads = query_heads ? *query_heads : in_.need({"num_attention_heads"}, kMaxCount);
    uint64_t width = hidden();
    if (width % heads != 0)
        in_.fail(in_.first_of({kHidden[0], kHidden[1], kHidden[2]}),
                 "a multiple of the " + std::to_string(heads) + " attention heads, or head_dim");
    return width / heads;
}

/// Values of one layer's state without its convolution window; 0 if the config does not say.
uint64_t HfModel::state_values(Use use) const {
    if (use == Use::linear && in_.has("linear_num_value_heads"))
        return in_.need({"linear_num_value_heads"}, kMaxCount) *
               in_.need({"linear_key_head_dim"}, kMaxCount) * in_.need({"linear_value_head_dim"}, kMaxCount);
    if (use == Use::linear && in_.has("attn_type_list") && in_.has("head_dim") && shape_.query_heads)
        return *shape_.query_heads * in_.need({"head_dim"}, kMaxCount) * in_.need({"head_dim"}, kMaxCount);
    if (use != Use::mamba) return 0;
    auto size = in_.whole({"ssm_state_size", "mamba_d_state", "mamba_state_dim"}, kMaxCount);
    if (!size) return 0;
    auto heads = in_.whole({"mamba_num_heads", "mamba_n_heads"}, kMaxCount);
    bool automatic = in_.is_text("mamba_d_head");
    if (heads && !automatic && !in_.first_of({"mamba_head_dim", "mamba_d_head"}).empty())
        return *heads * in_.need({"mamba_head_dim", "mamba_d_head"}, kMaxCount) * *size;
    auto expand = in_.whole({"mamba_expand"}, 1000);
    return expand ? *expand * hidden() * *size : 0;
}

uint64_t HfModel::state_value_bytes() const {
    for (const char* key : {"mamba_ssm_dtype", "mamba_ssm_cache_dtype"}) {
        std::string dtype = in_.text(key).value_or("auto");
        if (dtype == "float32") return 4;
        if (dtype == "float16" || dtype == "bfloat16") return 2;
        if (dtype != "auto") in_.fail(key, "float32, float16, bfloat16 or auto");
    }
    return row_bytes(shape_.default_dtype, {1, 1});
}

void HfModel::add_states(const std::vector<Use>& uses) {
    bool counted = false;
    for (Use use : {Use::mamba, Use::linear, Use::conv}) {
        uint64_t count = count_of(uses, use);
        if (count == 0) continue;
        uint64_t values = state_values(use), bytes = state_value_bytes();
        if (values > UINT64_MAX / bytes) in_.reject("layer_types", "the bytes of a state do not fit 64 bits");
        counted = counted || values != 0;
        shape_.groups.push_back(state_layers(count, values * bytes));
    }
    if (counted)
        shape_.caveats.push_back("states are counted at " + std::to_string(state_value_bytes()) +
                                 " bytes a value, without convolution windows");
}

}  // namespace

ModelShape model_from_hf_config(const std::string& path) {
    std::error_code ignored;
    bool directory = std::filesystem::is_directory(path, ignored);
    return HfModel(directory ? (std::filesystem::path(path) / "config.json").string() : path).build();
}

ModelShape resolve_model(const std::string& id_or_path) {
    if (const ModelRow* row = models().find(id_or_path)) return row->shape;
    std::error_code ignored;
    bool is_path = id_or_path.find('/') != std::string::npos ||
                   std::filesystem::exists(id_or_path, ignored) ||
                   (id_or_path.size() >= 5 && id_or_path.compare(id_or_path.size() - 5, 5, ".json") == 0);
    if (is_path) return model_from_hf_config(id_or_path);
    return models().get(id_or_path).shape;
}

}  // namespace kvsim
