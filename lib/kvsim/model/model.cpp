#include <kvsim/model/model.h>
#include <kvsim/quant/dtype.h>

#include <algorithm>
#include <numeric>

namespace kvsim {

LayerGroup full_layers(uint64_t count, uint64_t kv_heads, uint64_t head_dim) {
    LayerGroup group;
    group.count = count;
    group.kv_heads = kv_heads;
    group.head_dim = head_dim;
    return group;
}

LayerGroup window_layers(uint64_t count, uint64_t window_tokens, uint64_t kv_heads, uint64_t head_dim) {
    LayerGroup group = full_layers(count, kv_heads, head_dim);
    group.kind = LayerKind::window;
    group.window_tokens = window_tokens;
    return group;
}

LayerGroup mla_layers(uint64_t count, uint64_t latent_dim, uint64_t head_dim, uint64_t value_head_dim) {
    LayerGroup group;
    group.kind = LayerKind::mla;
    group.count = count;
    group.latent_dim = latent_dim;
    group.head_dim = head_dim;
    group.value_head_dim = value_head_dim;
    return group;
}

LayerGroup state_layers(uint64_t count, uint64_t state_bytes) {
    LayerGroup group;
    group.kind = LayerKind::state;
    group.count = count;
    group.state_bytes = state_bytes;
    return group;
}

namespace {

[[noreturn]] void reject(const ModelShape& shape, const std::string& message) {
    throw_input("model '" + shape.id + "': " + message);
}

/// The sizes of one shape, with dtypes looked up and every field checked.
class Sizes {
  public:
    Sizes(const ModelShape& shape, std::string_view k_dtype, std::string_view v_dtype, uint64_t tp)
        : shape_(shape),
          k_(k_dtype.empty() ? shape.default_dtype : k_dtype),
          v_(v_dtype.empty() ? shape.default_dtype : v_dtype),
          tp_(tp) {
        if (tp == 0) reject(shape, "tp 0: expected at least 1");
        if (shape.groups.empty()) reject(shape, "expected at least one group of layers");
        for (const LayerGroup& group : shape.groups) check(group);
    }

    uint64_t product(uint64_t a, uint64_t b) const {
        if (a != 0 && b > UINT64_MAX / a) reject(shape_, "the bytes do not fit 64 bits");
        return a * b;
    }
    uint64_t sum(uint64_t a, uint64_t b) const {
        if (b > UINT64_MAX - a) reject(shape_, "the bytes do not fit 64 bits");
        return a + b;
    }

    /// Bytes that all layers of a group keep for one token, over all ranks. 0 for states.
    uint64_t token_bytes(const LayerGroup& group) const {
        if (group.kind == LayerKind::state) return 0;
        uint64_t copies = tp_;  // of one row on all ranks together
        uint64_t row = 0;
        if (group.kind == LayerKind::mla) {
            row = row_bytes(k_, {1, static_cast<uint32_t>(group.latent_dim)});
        } else {
            uint64_t values = group.value_head_dim == 0 ? group.head_dim : group.value_head_dim;
            auto heads = static_cast<uint32_t>((group.kv_heads - 1) / tp_ + 1);  // of a rank, rounded up
            row = sum(row_bytes(k_, {heads, static_cast<uint32_t>(group.head_dim)}),
                      row_bytes(v_, {heads, static_cast<uint32_t>(values)}));
        }
        return product(product(row, copies), group.count);
    }

    /// Of `tokens` tokens in one rank's heads of a layer, keys and values: what the bytes are.
    StoredBytes stored(const LayerGroup& group, uint64_t tokens, uint64_t& values) const {
        StoredBytes sum;
        auto add = [&](const std::string& dtype, RowShape shape) {
            std::unique_ptr<Codec> codec = make_codec(dtype, shape);
            StoredBytes unit = codec->unit_bytes(codec->unit_tokens());
            uint64_t units = codec->row_units() * (tokens / codec->unit_tokens());
            sum += {unit.data * units, unit.metadata * units, unit.padding * units};
            values += shape.values() * tokens;
        };
        if (group.kind == LayerKind::mla) {
            add(k_, {1, static_cast<uint32_t>(group.latent_dim)});
            return sum;
        }
        auto heads = static_cast<uint32_t>((group.kv_heads - 1) / tp_ + 1);
        add(k_, {heads, static_cast<uint32_t>(group.head_dim)});
        add(v_, {heads, static_cast<uint32_t>(group.value_head_dim == 0 ? group.head_dim : group.value_head_dim)});
        return sum;
    }
    /// Tokens in which every unit of keys and values is whole.
    uint64_t whole_tokens(const LayerGroup& group) const {
        RowShape shape{1, static_cast<uint32_t>(group.kind == LayerKind::mla ? group.latent_dim : group.head_dim)};
        if (group.kind != LayerKind::mla) shape.heads = static_cast<uint32_t>((group.kv_heads - 1) / tp_ + 1);
        uint64_t k = make_codec(k_, shape)->unit_tokens();
        if (group.kind != LayerKind::mla && group.value_head_dim != 0) shape.head_dim = static_cast<uint32_t>(group.value_head_dim);
        return std::lcm(k, make_codec(v_, shape)->unit_tokens());
    }

  private:
    void check(const LayerGroup& group) const {
        auto need = [&](uint64_t value, const char* field) {
            if (value == 0) reject(shape_, std::string(field) + " 0: expected at least 1");
        };
        auto width = [&](uint64_t value, const char* field) {
            need(value, field);
            if (value > kLargest)
                reject(shape_, std::string(field) + " " + std::to_string(value) + ": expected at most " + std::to_string(kLargest));
        };
        need(group.count, "count of layers");
        if (group.kind == LayerKind::state) return;
        if (group.kind == LayerKind::mla) {
            width(group.latent_dim, "latent_dim");
            if (k_ != v_)
                reject(shape_, "MLA stores one latent for keys and values: expected one KV dtype, found '" +
                                   k_ + "' and '" + v_ + "'");
            return;
        }
        if (group.kind == LayerKind::window) need(group.window_tokens, "window_tokens");
        width(group.kv_heads, "kv_heads");
        width(group.head_dim, "head_dim");
        if (group.value_head_dim != 0) width(group.value_head_dim, "value_head_dim");
        if (group.kv_heads % tp_ != 0 && tp_ % group.kv_heads != 0)
            reject(shape_, "tp " + std::to_string(tp_) + ": expected a divisor or a multiple of its " +
                               std::to_string(group.kv_heads) + " kv heads");
    }

    const ModelShape& shape_;
    static constexpr uint64_t kLargest = uint64_t{1} << 24;  ///< heads, widths: their bytes fit 64 bits
    std::string k_, v_;
    uint64_t tp_;
};

bool grows(const LayerGroup& group) { return group.kind == LayerKind::full || group.kind == LayerKind::mla; }

/// "half the layers", "all 32 layers", "52 of 62 layers"
std::string share(uint64_t count, uint64_t of) {
    if (count == of) return count == 1 ? "the only layer" : "all " + std::to_string(of) + " layers";
    if (count * 2 == of) return "half the layers";
    return std::to_string(count) + " of " + std::to_string(of) + " layers";
}

}  // namespace

uint64_t bytes_per_token(const ModelShape& shape, std::string_view k_dtype, std::string_view v_dtype,
                         uint64_t tp) {
    Sizes sizes(shape, k_dtype, v_dtype, tp);
    uint64_t bytes = 0;
    for (const LayerGroup& group : shape.groups)
        if (grows(group)) bytes = sizes.sum(bytes, sizes.token_bytes(group));
    return bytes;
}

uint32_t growing_layers(const ModelShape& shape) {
    uint64_t layers = 0;
    for (const LayerGroup& group : shape.groups) layers += grows(group) ? group.count : 0;
    return static_cast<uint32_t>(std::min<uint64_t>(layers, 1 << 20));
}

TokenStorage token_storage(const ModelShape& shape, std::string_view k_dtype, std::string_view v_dtype, uint64_t tp) {
    Sizes sizes(shape, k_dtype, v_dtype, tp);
    TokenStorage out;
    for (const LayerGroup& group : shape.groups)
        if (grows(group)) out.tokens = std::lcm(out.tokens, sizes.whole_tokens(group));
    for (const LayerGroup& group : shape.groups) {
        if (!grows(group)) continue;
        uint64_t values = 0;
        StoredBytes bytes = sizes.stored(group, out.tokens, values);
        out.bytes += {bytes.data * group.count, bytes.metadata * group.count, bytes.padding * group.count};
        out.values += values * group.count;
    }
    return out;
}

uint64_t bytes_per_token_all(const ModelShape& shape, std::string_view k_dtype, std::string_view v_dtype,
                             uint64_t tp) {
    Sizes sizes(shape, k_dtype, v_dtype, tp);
    uint64_t bytes = 0;
    for (const LayerGroup& group : shape.groups) bytes = sizes.sum(bytes, sizes.token_bytes(group));
    return bytes;
}

uint64_t bytes_per_sequence_at(const ModelShape& shape, uint64_t tokens, std::string_view k_dtype,
                               std::string_view v_dtype, uint64_t tp) {
    Sizes sizes(shape, k_dtype, v_dtype, tp);
    uint64_t bytes = 0;
    for (const LayerGroup& group : shape.groups) {
        uint64_t kept = group.kind == LayerKind::window ? std::min(tokens, group.window_tokens) : tokens;
        uint64_t part = group.kind == LayerKind::state ? sizes.product(group.count, group.state_bytes)
                                                       : sizes.product(sizes.token_bytes(group), kept);
        bytes = sizes.sum(bytes, part);
    }
    return bytes;
}

uint64_t bytes_per_block(const ModelShape& shape, uint64_t block_size, std::string_view k_dtype,
                         std::string_view v_dtype, uint64_t tp) {
    if (block_size == 0) throw_input("block size 0: expected at least 1");
    uint64_t token = bytes_per_token(shape, k_dtype, v_dtype, tp);
    if (token == 0)
        reject(shape,
               "no layer grows with every token, so bytes do not say how many blocks there are: "
               "give the capacity in blocks or tokens");
    return Sizes(shape, k_dtype, v_dtype, tp).product(token, block_size);
}

std::vector<std::string> notes(const ModelShape& shape) {
    uint64_t attention = 0;
    for (const LayerGroup& group : shape.groups)
        if (group.kind != LayerKind::state) attention += group.count;
    std::vector<std::string> lines;
    for (const LayerGroup& group : shape.groups) {
        const std::string follow = ": bytes follow the model, hits do not";
        std::string keep = group.count == 1 ? " keeps a " : " keep a ";
        if (group.kind == LayerKind::window)
            lines.push_back(share(group.count, attention) + keep + "window of " +
                            std::to_string(group.window_tokens) + " tokens" + follow +
                            "; bytes per block leave these layers out");
        if (group.kind == LayerKind::state)
            lines.push_back(std::to_string(group.count) + (group.count == 1 ? " layer" : " layers") + keep +
                            "state per sequence (" +
                            (group.state_bytes == 0 ? std::string("bytes not known, not counted")
                                                    : std::to_string(group.state_bytes) + " bytes each") +
                            ")" + follow);
    }
    lines.insert(lines.end(), shape.caveats.begin(), shape.caveats.end());
    return lines;
}

std::string describe(const ModelShape& shape) {
    std::string out;
    for (const LayerGroup& group : shape.groups) {
        if (!out.empty()) out += ", ";
        out += std::to_string(group.count);
        if (group.kind == LayerKind::mla) out += " MLA (latent " + std::to_string(group.latent_dim) + ")";
        if (group.kind == LayerKind::state) out += " state";
        if (group.kind == LayerKind::state && group.state_bytes != 0)
            out += " (" + std::to_string(group.state_bytes) + " bytes each)";
        if (group.kind == LayerKind::full) out += " full";
        if (group.kind == LayerKind::window) out += " window of " + std::to_string(group.window_tokens);
        if (group.kv_heads != 0) {
            out += " (" + std::to_string(group.kv_heads) +
                   (group.kv_heads == 1 ? " kv head x " : " kv heads x ") + std::to_string(group.head_dim);
            if (group.value_head_dim != 0 && group.value_head_dim != group.head_dim)
                out += ", values " + std::to_string(group.value_head_dim);
            out += ")";
        }
    }
    return out;
}

}  // namespace kvsim
