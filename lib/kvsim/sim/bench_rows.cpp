// Kernels that move rows: append, copy_blocks, gather, scatter, transpose, quantize, dequantize.
#include <kvsim/backend/row_format.h>
#include <kvsim/sim/bench_checks.h>

namespace kvsim {

namespace {

kv::RowFormat plain_format(kv::RowType type, uint32_t dim) {
    kv::RowFormat f;
    f.type = type;
    f.dim = dim;
    return f;
}
/// What keys and values are before they are stored.
kv::RowType source_type(kv::RowType stored) {
    return stored == kv::RowType::f32 || stored == kv::RowType::f16 ? stored : kv::RowType::bf16;
}

/// What the cases of this file have.
class RowCase : public BenchCase {
  protected:
    RowCase(const BenchShape& shape, RandomRowStore& store)
        : shape_(shape), store_(store), format_(row_format(shape.kv_dtype, shape.head_dim)), random_(shape.context) {}

    PoolStrips add_pool(uint32_t blocks, Content content) {
        PoolStrips p;
        p.shape = pool_shape(shape_, blocks);
        RowStrip::Options o;
        o.content = content;
        p.keys = &add_rows(store_.of(format_), blocks * p.shape.block_rows(), o);
        p.values = &add_rows(store_.of(format_), blocks * p.shape.block_rows(), o);
        return p;
    }
    /// A token's place in a pool whose blocks are dealt out by `table`.
    uint64_t row_of(const kv::Pool& p, const std::vector<uint32_t>& table, uint64_t sequence, uint64_t token,
                    uint64_t head) const {
        uint32_t block = table[sequence * shape_.table_blocks() + token / shape_.block_size];
        return row_in_pool(p, block, head, token % shape_.block_size);
    }
    struct Place {
        uint64_t sequence, token, head;
        bool value;
        std::string words() const {
            return std::string(side_name(value)) + " of token " + std::to_string(token) + ", head " +
                   std::to_string(head) + ", sequence " + std::to_string(sequence);
        }
    };
    Place any_place() {
        return {random_.below(shape_.batch), random_.below(shape_.context), random_.below(shape_.kv_heads),
                random_.below(2) == 1};
    }

    BenchShape shape_;
    RandomRowStore& store_;
    kv::RowFormat format_;
    Random random_;
};

/// A prompt's tokens of every sequence, to shuffled blocks.
class AppendCase final : public RowCase {
  public:
    AppendCase(const BenchShape& shape, RandomRowStore& store)
        : RowCase(shape, store), table_(shuffled(shape.blocks(), 1)), pool_(add_pool(shape.blocks(), Content::poison)) {
        const RandomRows& in = store.of(plain_format(source_type(format_.type), shape.head_dim));
        keys_ = &add_rows(in, shape.tokens() * shape.kv_heads);
        values_ = &add_rows(in, shape.tokens() * shape.kv_heads);
        slots_ = &add_list(8 * shape.tokens());
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0)); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            Place p = any_place();
            const RowStrip& in = p.value ? *values_ : *keys_;
            EncodedRow want(format_,
                            in.filled_values(copy, (p.sequence * shape_.context + p.token) * shape_.kv_heads + p.head));
            kv::Pool pool = pool_.of(copy);
            expect_row(b, side_of(pool, p.value), row_of(pool, table_, p.sequence, p.token, p.head), want.data.data(),
                       want.meta.data(), p.words());
        }
    }

  private:
    kv::Append op(uint64_t copy) const {
        kv::Append o;
        o.pool = pool_.of(copy);
        o.keys = keys_->of(copy).data;
        o.values = values_->of(copy).data;
        o.in = keys_->random().format().type;
        o.head_stride = shape_.head_dim;
        o.token_stride = uint64_t{shape_.kv_heads} * shape_.head_dim;
        o.slots = slots_->of<int64_t>(copy);
        o.tokens = static_cast<uint32_t>(shape_.tokens());
        return o;
    }
    void fill(Backend& b, uint64_t) override {
        std::vector<int64_t> slots;
        for (uint64_t s = 0; s < shape_.batch; ++s)
            for (uint64_t t = 0; t < shape_.context; ++t)
                slots.push_back(int64_t{table_[s * shape_.table_blocks() + t / shape_.block_size]} * shape_.block_size +
                                static_cast<int64_t>(t % shape_.block_size));
        fill_list(b, *slots_, slots);
    }
    std::vector<uint32_t> table_;
    PoolStrips pool_;
    RowStrip *keys_, *values_;
    List* slots_;
};

/// A decode step: one token of every sequence, to random places of one pool that all copies share.
class AppendStepCase final : public RowCase {
  public:
    AppendStepCase(const BenchShape& shape, RandomRowStore& store) : RowCase(shape, store) {
        RowStrip::Options o;
        o.content = Content::poison;
        o.one_pool = true;
        o.slack = uint64_t{shape.block_size} * shape.kv_heads;
        uint64_t rows = uint64_t{shape.batch} * shape.kv_heads;
        pool_.keys = &add_rows(store.of(format_), rows, o);
        pool_.values = &add_rows(store.of(format_), rows, o);
        pool_.shape = pool_shape(shape, 1);
        const RandomRows& in = store.of(plain_format(source_type(format_.type), shape.head_dim));
        keys_ = &add_rows(in, rows);
        values_ = &add_rows(in, rows);
        slots_ = &add_list(8 * uint64_t{shape.batch}, true);
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0)); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            Place p = any_place();
            uint64_t slot = places_[copy * shape_.batch + p.sequence];
            EncodedRow want(format_,
                            (p.value ? values_ : keys_)->filled_values(copy, p.sequence * shape_.kv_heads + p.head));
            kv::Pool pool = pool_.of(0);
            expect_row(b, side_of(pool, p.value),
                       row_in_pool(pool, slot / shape_.block_size, p.head, slot % shape_.block_size), want.data.data(),
                       want.meta.data(), "new " + p.words());
        }
    }

  private:
    kv::Append op(uint64_t copy) const {
        kv::Append o;
        o.pool = pool_.of(0);
        o.keys = keys_->of(copy).data;
        o.values = values_->of(copy).data;
        o.in = keys_->random().format().type;
        o.head_stride = shape_.head_dim;
        o.token_stride = uint64_t{shape_.kv_heads} * shape_.head_dim;
        o.slots = slots_->of<int64_t>(copy);
        o.tokens = shape_.batch;
        return o;
    }
    void fill(Backend& b, uint64_t copies) override {
        auto places = static_cast<uint32_t>(copies * shape_.batch);
        pool_.shape = pool_shape(shape_, (places + shape_.block_size - 1) / shape_.block_size);
        places_ = shuffled(places, 2);
        fill_list(b, *slots_, std::vector<int64_t>(places_.begin(), places_.end()));
    }
    PoolStrips pool_;
    RowStrip *keys_, *values_;
    List* slots_;
    std::vector<uint32_t> places_;
};

/// Half of the pool's blocks to the other half.
class CopyBlocksCase final : public RowCase {
  public:
    CopyBlocksCase(const BenchShape& shape, RandomRowStore& store)
        : RowCase(shape, store),
          order_(shuffled(2 * shape.blocks(), 3)),
          pool_(add_pool(2 * shape.blocks(), Content::random)),
          pairs_(add_list(sizeof(kv::BlockPair) * shape.blocks())) {}
    uint64_t bytes() const override { return kv::bytes_moved(op(0)); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t pair = random_.below(shape_.blocks()), head = random_.below(shape_.kv_heads),
                     slot = random_.below(shape_.block_size);
            bool value = i % 2 == 1;
            kv::Pool pool = pool_.of(copy);
            uint64_t from = row_in_pool(pool, order_[2 * pair], head, slot),
                     to = row_in_pool(pool, order_[2 * pair + 1], head, slot);
            const RowStrip& strip = pool_.side(value);
            expect_row(b, side_of(pool, value), to, strip.filled_data(copy, from), strip.filled_meta(copy, from),
                       std::string(side_name(value)) + " " + std::to_string(slot) + " of the copied block " +
                           std::to_string(pair));
        }
    }

  private:
    kv::CopyBlocks op(uint64_t copy) const {
        kv::CopyBlocks o;
        o.pool = pool_.of(copy);
        o.pairs = pairs_.of<kv::BlockPair>(copy);
        o.count = shape_.blocks();
        o.tokens = shape_.block_size;
        return o;
    }
    void fill(Backend& b, uint64_t) override { fill_list(b, pairs_, order_); }
    std::vector<uint32_t> order_;
    PoolStrips pool_;
    List& pairs_;
};

/// Whole sequences between shuffled blocks and [sequences, heads, tokens, dim].
template <class Op>
class GatherCase final : public RowCase {
  public:
    GatherCase(const BenchShape& shape, RandomRowStore& store)
        : RowCase(shape, store),
          table_(shuffled(shape.blocks(), 4)),
          pool_(add_pool(shape.blocks(), kGather ? Content::random : Content::poison)) {
        RowStrip::Options o;
        o.content = kGather ? Content::poison : Content::random;
        keys_ = &add_rows(store.of(format_), shape.tokens() * shape.kv_heads, o);
        values_ = &add_rows(store.of(format_), shape.tokens() * shape.kv_heads, o);
        blocks_ = &add_list(4 * uint64_t{shape.blocks()});
        lengths_ = &add_list(4 * uint64_t{shape.batch});
        first_rows_ = &add_list(8 * uint64_t{shape.batch});
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0), shape_.ragged()); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            Place p = any_place();
            kv::Pool pool = pool_.of(copy);
            uint64_t paged = row_of(pool, table_, p.sequence, p.token, p.head);
            uint64_t flat = (p.sequence * shape_.kv_heads + p.head) * shape_.context + p.token;
            const RowStrip& rows = p.value ? *values_ : *keys_;
            const RowStrip& from = kGather ? pool_.side(p.value) : rows;
            uint64_t source = kGather ? paged : flat;
            expect_row(b, kGather ? rows.of(copy) : side_of(pool, p.value), kGather ? flat : paged,
                       from.filled_data(copy, source), from.filled_meta(copy, source), p.words());
        }
    }

  private:
    static constexpr bool kGather = std::is_same_v<Op, kv::Gather>;
    Op op(uint64_t copy) const {
        Op o;
        o.pool = pool_.of(copy);
        o.table = {blocks_->template of<uint32_t>(copy), lengths_->template of<uint32_t>(copy), shape_.batch,
                   shape_.table_blocks()};
        o.keys = keys_->of(copy);
        o.values = values_->of(copy);
        if constexpr (kGather)
            o.out_rows = first_rows_->template of<uint64_t>(copy);
        else
            o.in_rows = first_rows_->template of<uint64_t>(copy);
        return o;
    }
    void fill(Backend& b, uint64_t) override {
        fill_list(b, *blocks_, table_);
        fill_list(b, *lengths_, std::vector<uint32_t>(shape_.batch, shape_.context));
        std::vector<uint64_t> first;
        for (uint64_t s = 0; s < shape_.batch; ++s) first.push_back(s * shape_.kv_heads * shape_.context);
        fill_list(b, *first_rows_, first);
    }
    std::vector<uint32_t> table_;
    PoolStrips pool_;
    RowStrip *keys_, *values_;
    List *blocks_, *lengths_, *first_rows_;
};

class TransposeCase final : public RowCase {
  public:
    TransposeCase(const BenchShape& shape, RandomRowStore& store)
        : RowCase(shape, store),
          from_(add_pool(shape.blocks(), Content::random)),
          to_(add_pool(shape.blocks(), Content::poison)) {
        to_.shape.order = shape.order == kv::Order::hnd ? kv::Order::nhd : kv::Order::hnd;
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0)); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        kv::Transpose o = op(copy);
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t block = random_.below(shape_.blocks()), head = random_.below(shape_.kv_heads),
                     slot = random_.below(shape_.block_size);
            bool value = i % 2 == 1;
            uint64_t from = row_in_pool(o.from, block, head, slot);
            const RowStrip& strip = from_.side(value);
            expect_row(
                b, side_of(o.to, value), row_in_pool(o.to, block, head, slot), strip.filled_data(copy, from),
                strip.filled_meta(copy, from),
                std::string(side_name(value)) + " " + std::to_string(slot) + " of block " + std::to_string(block));
        }
    }

  private:
    kv::Transpose op(uint64_t copy) const { return {from_.of(copy), to_.of(copy)}; }
    void fill(Backend&, uint64_t) override {}
    PoolStrips from_, to_;
};

/// As many rows as the keys of a layer.
template <class Op>
class QuantizeCase final : public RowCase {
  public:
    QuantizeCase(const BenchShape& shape, RandomRowStore& store) : RowCase(shape, store) {
        if (format_.type == kv::RowType::f32) throw_input("rows of f32 are stored as they are: nothing to convert");
        // To f16 and bf16 from f32, to what is smaller from bf16.
        bool half = format_.type == kv::RowType::f16 || format_.type == kv::RowType::bf16;
        const RandomRows& plain = store.of(plain_format(half ? kv::RowType::f32 : kv::RowType::bf16, shape.head_dim));
        const RandomRows& stored = store.of(format_);
        RowStrip::Options out;
        out.content = Content::poison;
        in_ = &add_rows(kQuantize ? plain : stored, rows());
        out_ = &add_rows(kQuantize ? stored : plain, rows(), out);
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0)); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t row = random_.below(rows());
            EncodedRow want(out_->random().format(), in_->filled_values(copy, row));
            expect_row(b, out_->of(copy), row, want.data.data(), want.meta.data(), "row " + std::to_string(row));
        }
    }

  private:
    static constexpr bool kQuantize = std::is_same_v<Op, kv::Quantize>;
    uint64_t rows() const { return shape_.tokens() * shape_.kv_heads; }
    Op op(uint64_t copy) const {
        Op o;
        o.rows = rows();
        if constexpr (kQuantize) {
            o.in = in_->of(copy).data;
            o.in_type = in_->random().format().type;
            o.out = out_->of(copy);
        } else {
            o.in = in_->of(copy);
            o.out = out_->of(copy).data;
            o.out_type = out_->random().format().type;
        }
        return o;
    }
    void fill(Backend&, uint64_t) override {}
    RowStrip *in_, *out_;
};

}  // namespace

void add_row_kernels(Registry<BenchKernelRow>& r) {
    const std::vector<std::string> all = {"kv_dtype", "batch",      "context", "kv_heads",
                                          "head_dim", "block_size", "order"};
    std::vector<std::string> step = all, rows = all;
    step.erase(step.begin() + 2);                    // no context
    rows.erase(rows.begin() + 5, rows.begin() + 7);  // no blocks
    r.add({"append", "prompts' keys and values into blocks, quantized on the way",
           "rows in (bf16; f16 and f32 as they are), rows stored with their scales, 8 for a token's slot", all, "copy",
           make_case<AppendCase>});
    r.add({"append_step", "one new token of every sequence: a decode step", "as append", step, "copy",
           make_case<AppendStepCase>});
    r.add({"copy_blocks", "copy-on-write: whole blocks to other blocks",
           "rows with their scales read and written, 8 for a pair of blocks", all, "copy", make_case<CopyBlocksCase>});
    r.add({"gather", "sequences out of their blocks, one head's tokens after the other",
           "rows with their scales read and written, 4 for a table entry", all, "copy", make_case<GatherCase<kv::Gather>>});
    r.add({"scatter", "the inverse of gather", "as gather", all, "copy", make_case<GatherCase<kv::Scatter>>});
    r.add({"transpose", "a pool to one of the other order, HND or NHD", "rows with their scales read and written", all,
           "copy", make_case<TransposeCase>});
    r.add({"quantize", "rows to the KV dtype: from bf16, for f16 and bf16 from f32",
           "values in, rows out with their scales", rows, "copy", make_case<QuantizeCase<kv::Quantize>>});
    r.add({"dequantize", "the inverse of quantize", "rows in with their scales, values out", rows, "copy",
           make_case<QuantizeCase<kv::Dequantize>>});
}

}  // namespace kvsim
