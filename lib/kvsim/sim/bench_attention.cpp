// Kernels that look at tokens: decode attention, the scores that H2O adds up, who stays, and moving those together.
#include <kernels/device/split_plan.h>
#include <kvsim/backend/row_format.h>
#include <kvsim/sim/bench_checks.h>

#include <cmath>

namespace kvsim {

namespace {

constexpr uint64_t kCheckedQueries = 4;
constexpr uint32_t kFloatsOfRow = 64;  ///< buffers of floats are strips of such rows

kv::RowFormat floats(kv::RowType type, uint32_t dim) {
    kv::RowFormat f;
    f.type = type;
    f.dim = dim;
    return f;
}

class TokenCase : public BenchCase {
  protected:
    explicit TokenCase(const BenchShape& shape, RandomRowStore& store)
        : shape_(shape), store_(store), random_(shape.context + 1) {}

    void check_heads() const {
        if (shape_.q_heads % shape_.kv_heads != 0)
            throw_input(std::to_string(shape_.q_heads) + " query heads are no multiple of " +
                        std::to_string(shape_.kv_heads) + " KV heads");
    }
    RowStrip& add_floats(uint64_t count, Content content) {
        RowStrip::Options o;
        o.content = content;
        return add_rows(store_.of(floats(kv::RowType::f32, kFloatsOfRow)), (count + kFloatsOfRow - 1) / kFloatsOfRow,
                        o);
    }
    static float* floats_of(const RowStrip& strip, uint64_t copy) {
        return reinterpret_cast<float*>(strip.of(copy).data);
    }
    static std::vector<float> read(Backend& b, const float* device, uint64_t count) {
        std::vector<float> host(count);
        b.copy_out(host.data(), device, count * sizeof(float));
        return host;
    }

    BenchShape shape_;
    RandomRowStore& store_;
    Random random_;
};

class DecodeCase final : public TokenCase {
  public:
    DecodeCase(const BenchShape& shape, RandomRowStore& store)
        : TokenCase(shape, store),
          format_(row_format(shape.kv_dtype, shape.head_dim)),
          table_(shuffled(shape.blocks(), 5)) {
        check_heads();
        bool plain = format_.type == kv::RowType::f32 || format_.type == kv::RowType::f16;
        q_type_ = plain ? format_.type : kv::RowType::bf16;
        pool_.shape = pool_shape(shape, shape.blocks());
        uint64_t rows = shape.blocks() * pool_.shape.block_rows(), queries = uint64_t{shape.batch} * shape.q_heads;
        pool_.keys = &add_rows(store.of(format_), rows);
        pool_.values = &add_rows(store.of(format_), rows);
        const RandomRows& query = store.of(floats(q_type_, shape.head_dim));
        q_ = &add_rows(query, queries);
        RowStrip::Options written;
        written.content = Content::poison;
        out_ = &add_rows(query, queries, written);
        lse_ = &add_floats(queries, Content::poison);
        plan_chunks();
        if (splits_ > 1) partial_ = &add_floats(queries * splits_ * (shape.head_dim + 2), Content::poison);
        blocks_ = &add_list(4 * uint64_t{shape.blocks()});
        lengths_ = &add_list(4 * uint64_t{shape.batch});
    }
    uint64_t bytes() const override {
        kv::Decode o = op(0);
        float there = 0;  // lse counts where it is asked for
        o.lse = &there;
        return kv::bytes_moved(o, shape_.ragged());
    }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedQueries; ++i)
            check_query(b, copy, random_.below(shape_.batch), random_.below(shape_.q_heads));
    }

  private:
    void plan_chunks() {
        kv::Pool pool = pool_.shape;
        pool.keys.format = pool.values.format = format_;
        std::vector<uint32_t> lengths(shape_.batch, shape_.context);
        kv::device::SplitPlan plan =
            kv::device::plan_split(lengths.data(), lengths.size(), pool, shape_.q_heads, shape_.slots);
        chunk_tokens_ = plan.chunk_tokens;
        splits_ = plan.splits;
    }
    kv::Decode op(uint64_t copy) const {
        kv::Decode o;
        o.pool = pool_.of(copy);
        o.table = {blocks_->of<uint32_t>(copy), lengths_->of<uint32_t>(copy), shape_.batch, shape_.table_blocks()};
        o.q = q_->of(copy).data;
        o.q_type = q_type_;
        o.query_heads = shape_.q_heads;
        o.scale = scale();
        o.chunk_tokens = chunk_tokens_;
        o.splits = splits_;
        o.out = out_->of(copy).data;
        o.lse = floats_of(*lse_, copy);
        o.partial = partial_ ? floats_of(*partial_, copy) : nullptr;
        return o;
    }
    float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)); }
    void fill(Backend& b, uint64_t) override {
        fill_list(b, *blocks_, table_);
        fill_list(b, *lengths_, std::vector<uint32_t>(shape_.batch, shape_.context));
    }
    const float* pool_row(bool value, uint64_t copy, uint64_t sequence, uint64_t token, uint64_t head) const {
        uint32_t block = table_[sequence * shape_.table_blocks() + token / shape_.block_size];
        return pool_.side(value).filled_values(copy, row_in_pool(pool_.shape, block, head, token % shape_.block_size));
    }
    /// In double precision over what the rows decode to.
    void check_query(Backend& b, uint64_t copy, uint64_t sequence, uint64_t q_head) {
        uint64_t head = q_head / (shape_.q_heads / shape_.kv_heads), query = sequence * shape_.q_heads + q_head,
                 dim = shape_.head_dim;
        const float* q = q_->filled_values(copy, query);
        std::vector<double> logits(shape_.context), out(dim);
        double max = -HUGE_VAL, sum = 0, error = 0, size = 0;
        for (uint64_t t = 0; t < shape_.context; ++t) {
            const float* k = pool_row(false, copy, sequence, t, head);
            double dot = 0;
            for (uint64_t d = 0; d < dim; ++d) dot += static_cast<double>(q[d]) * static_cast<double>(k[d]);
            logits[t] = dot * static_cast<double>(scale());
            max = std::max(max, logits[t]);
        }
        for (uint64_t t = 0; t < shape_.context; ++t) {
            const float* v = pool_row(true, copy, sequence, t, head);
            double p = std::exp(logits[t] - max);
            sum += p;
            for (uint64_t d = 0; d < dim; ++d) out[d] += p * static_cast<double>(v[d]);
        }
        kv::Rows rows = out_->of(copy);
        std::vector<uint8_t> found(rows.format.data_bytes());
        b.copy_out(found.data(), rows.data_at(query), found.size());
        for (uint64_t d = 0; d < dim; ++d) {
            double want = out[d] / sum, miss = static_cast<double>(kv::plain_value(q_type_, found.data(), d)) - want;
            error += miss * miss;
            size += want * want;
        }
        std::string what = "query head " + std::to_string(q_head) + " of sequence " + std::to_string(sequence);
        double tolerance = q_type_ == kv::RowType::bf16 ? 8e-3 : 1e-3;
        if (!(std::sqrt(error) <= tolerance * std::sqrt(size)))
            throw_failed(what + ": output is " + std::to_string(std::sqrt(error / size)) +
                         " (relative L2) from attention in double precision");
        double lse = static_cast<double>(read(b, floats_of(*lse_, copy) + query, 1)[0]), want = max + std::log(sum);
        if (!(std::fabs(lse - want) <= 1e-3))
            throw_failed(what + ": logarithm of the sum is " + std::to_string(lse) + ", expected " +
                         std::to_string(want));
    }

    kv::RowFormat format_;
    kv::RowType q_type_ = kv::RowType::bf16;
    std::vector<uint32_t> table_;
    PoolStrips pool_;
    RowStrip *q_ = nullptr, *out_ = nullptr, *lse_ = nullptr, *partial_ = nullptr;
    uint32_t chunk_tokens_ = 0, splits_ = 1;
    List *blocks_ = nullptr, *lengths_ = nullptr;
};

class AccumulateCase final : public TokenCase {
  public:
    AccumulateCase(const BenchShape& shape, RandomRowStore& store) : TokenCase(shape, store) {
        check_heads();
        logits_ = &add_floats(shape.tokens() * shape.q_heads, Content::random);
        lse_ = &add_floats(uint64_t{shape.batch} * shape.q_heads, Content::random);
        scores_ = &add_floats(shape.tokens() * shape.kv_heads, Content::random);
        lengths_ = &add_list(4 * uint64_t{shape.batch});
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0), shape_.ragged()); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    /// How often the timing launched it on this copy is the backend's affair: one more launch adds what one adds.
    void check(Backend& b, uint64_t copy) override {
        uint64_t all = shape_.tokens() * shape_.kv_heads;
        std::vector<float> before = read(b, floats_of(*scores_, copy), all);
        launch(b, copy);
        b.finish();
        std::vector<float> after = read(b, floats_of(*scores_, copy), all);
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t s = random_.below(shape_.batch), h = random_.below(shape_.kv_heads),
                     t = random_.below(shape_.context);
            uint64_t group = shape_.q_heads / shape_.kv_heads, at = (s * shape_.kv_heads + h) * shape_.context + t;
            double want = 0;
            for (uint64_t g = 0; g < group; ++g) {
                uint64_t query = s * shape_.q_heads + h * group + g;
                want += std::exp(static_cast<double>(logits_->filled_value(copy, query * shape_.context + t)) -
                                 static_cast<double>(lse_->filled_value(copy, query)));
            }
            double added = static_cast<double>(after[at]) - static_cast<double>(before[at]);
            double rounded = std::fabs(static_cast<double>(after[at])) * 0x1p-23;  // the sum's own last bit
            if (!(std::fabs(added - want) <= 1e-4 * want + rounded))
                throw_failed("token " + std::to_string(t) + ", head " + std::to_string(h) + ", sequence " +
                             std::to_string(s) + ": a launch added " + std::to_string(added) + ", expected " +
                             std::to_string(want));
        }
    }

  private:
    kv::Accumulate op(uint64_t copy) const {
        kv::Accumulate o;
        o.logits = floats_of(*logits_, copy);
        o.lse = floats_of(*lse_, copy);
        o.lengths = lengths_->of<uint32_t>(copy);
        o.sequences = shape_.batch;
        o.query_heads = shape_.q_heads;
        o.heads = shape_.kv_heads;
        o.stride = shape_.context;
        o.scores = floats_of(*scores_, copy);
        return o;
    }
    void fill(Backend& b, uint64_t) override {
        fill_list(b, *lengths_, std::vector<uint32_t>(shape_.batch, shape_.context));
    }
    RowStrip *logits_, *lse_, *scores_;
    List* lengths_;
};

class TopKCase final : public TokenCase {
  public:
    TopKCase(const BenchShape& shape, RandomRowStore& store) : TokenCase(shape, store) {
        scores_ = &add_floats(shape.tokens() * shape.kv_heads, Content::random);
        kept_ = &add_floats(uint64_t{shape.batch} * shape.kv_heads * shape.keep(), Content::poison);
        lengths_ = &add_list(4 * uint64_t{shape.batch});
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0), shape_.ragged()); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        for (uint64_t i = 0; i < kCheckedQueries; ++i) {
            uint64_t row = random_.below(uint64_t{shape_.batch} * shape_.kv_heads), keep = shape_.keep();
            std::vector<uint32_t> found(keep), want = who_stays(copy, row);
            b.copy_out(found.data(), op(copy).kept + row * keep, keep * sizeof(uint32_t));
            for (uint64_t k = 0; k < keep; ++k)
                if (found[k] != want[k])
                    throw_failed("sequence and head " + std::to_string(row) + ": place " + std::to_string(k) +
                                 " has token " + std::to_string(found[k]) + ", expected " + std::to_string(want[k]));
        }
    }

  private:
    uint32_t sinks() const { return std::min(4u, shape_.keep() / 2); }
    uint32_t window() const { return shape_.keep() / 4; }
    std::vector<uint32_t> who_stays(uint64_t copy, uint64_t row) const {
        uint32_t n = shape_.context, keep = shape_.keep();
        std::vector<uint32_t> rest, kept;
        for (uint32_t t = 0; t < n; ++t) (t < sinks() || t + window() >= n ? kept : rest).push_back(t);
        auto score = [&](uint32_t t) { return scores_->filled_value(copy, row * n + t); };
        std::sort(rest.begin(), rest.end(),
                  [&](uint32_t a, uint32_t b) { return score(a) > score(b) || (score(a) == score(b) && a > b); });
        for (size_t i = 0; kept.size() < keep; ++i) kept.push_back(rest[i]);
        std::sort(kept.begin(), kept.end());
        return kept;
    }
    kv::TopK op(uint64_t copy) const {
        kv::TopK o;
        o.scores = floats_of(*scores_, copy);
        o.lengths = lengths_->of<uint32_t>(copy);
        o.sequences = shape_.batch;
        o.heads = shape_.kv_heads;
        o.stride = shape_.context;
        o.keep = shape_.keep();
        o.sinks = sinks();
        o.window = window();
        o.kept = reinterpret_cast<uint32_t*>(kept_->of(copy).data);
        return o;
    }
    void fill(Backend& b, uint64_t) override {
        fill_list(b, *lengths_, std::vector<uint32_t>(shape_.batch, shape_.context));
    }
    RowStrip *scores_, *kept_;
    List* lengths_;
};

/// A random quarter of each head's tokens to fresh blocks.
class CompactCase final : public TokenCase {
  public:
    CompactCase(const BenchShape& shape, RandomRowStore& store)
        : TokenCase(shape, store),
          format_(row_format(shape.kv_dtype, shape.head_dim)),
          new_blocks_((shape.keep() + shape.block_size - 1) / shape.block_size),
          order_(shuffled(shape.blocks() + shape.batch * new_blocks_, 6)) {
        uint32_t blocks = shape.blocks() + shape.batch * new_blocks_;
        pool_.shape = pool_shape(shape, blocks);
        pool_.keys = &add_rows(store.of(format_), blocks * pool_.shape.block_rows());
        pool_.values = &add_rows(store.of(format_), blocks * pool_.shape.block_rows());
        table_ = &add_list(4 * uint64_t{shape.blocks()});
        fresh_ = &add_list(4 * uint64_t{shape.batch} * new_blocks_);
        lengths_ = &add_list(4 * uint64_t{shape.batch});
        kept_ = &add_list(4 * uint64_t{shape.batch} * shape.kv_heads * shape.keep());
        choose();
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0), {uint64_t{shape_.batch} * shape_.keep(), 0}); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        kv::Pool pool = pool_.of(copy);
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t s = random_.below(shape_.batch), h = random_.below(shape_.kv_heads),
                     j = random_.below(shape_.keep());
            uint64_t token = chosen_[(s * shape_.kv_heads + h) * shape_.keep() + j], bs = shape_.block_size;
            uint64_t from = row_in_pool(pool, order_[s * shape_.table_blocks() + token / bs], h, token % bs);
            uint64_t to = row_in_pool(pool, order_[shape_.blocks() + s * new_blocks_ + j / bs], h, j % bs);
            bool value = i % 2 == 1;
            const RowStrip& strip = pool_.side(value);
            expect_row(b, side_of(pool, value), to, strip.filled_data(copy, from), strip.filled_meta(copy, from),
                       std::string(side_name(value)) + " kept at " + std::to_string(j) + ", head " + std::to_string(h) +
                           ", sequence " + std::to_string(s));
        }
    }

  private:
    void choose() {
        for (uint64_t row = 0; row < uint64_t{shape_.batch} * shape_.kv_heads; ++row) {
            // One token of every `context / keep`, at a random place.
            for (uint64_t j = 0; j < shape_.keep(); ++j) {
                uint64_t begin = j * shape_.context / shape_.keep(), end = (j + 1) * shape_.context / shape_.keep();
                chosen_.push_back(static_cast<uint32_t>(begin + random_.below(end - begin)));
            }
        }
    }
    kv::Compact op(uint64_t copy) const {
        kv::Compact o;
        o.pool = pool_.of(copy);
        o.table = {table_->of<uint32_t>(copy), lengths_->of<uint32_t>(copy), shape_.batch, shape_.table_blocks()};
        o.kept = kept_->of<uint32_t>(copy);
        o.keep = shape_.keep();
        o.new_blocks = fresh_->of<uint32_t>(copy);
        return o;
    }
    void fill(Backend& b, uint64_t) override {
        fill_list(b, *table_, std::vector<uint32_t>(order_.begin(), order_.begin() + shape_.blocks()));
        fill_list(b, *fresh_, std::vector<uint32_t>(order_.begin() + shape_.blocks(), order_.end()));
        fill_list(b, *lengths_, std::vector<uint32_t>(shape_.batch, shape_.context));
        fill_list(b, *kept_, chosen_);
    }
    kv::RowFormat format_;
    uint32_t new_blocks_;
    std::vector<uint32_t> order_, chosen_;
    PoolStrips pool_;
    List *table_, *fresh_, *lengths_, *kept_;
};

}  // namespace

void add_attention_kernels(Registry<BenchKernelRow>& r) {
    r.add({"decode",
           "attention of one query per sequence over paged keys and values",
           "rows with their scales once per KV head, 4 for a table entry and KV head, queries, outputs, logarithms of "
           "sums; parts "
           "of a split sequence written and read",
           {"kv_dtype", "batch", "context", "kv_heads", "q_heads", "head_dim", "block_size", "order"},
           "read",
           make_case<DecodeCase>});
    r.add({"accumulate",
           "H2O: attention weights of a step added to the tokens' scores",
           "logits and sums in, scores in and out",
           {"batch", "context", "kv_heads", "q_heads"},
           "copy",
           make_case<AccumulateCase>});
    r.add({"top_k",
           "which quarter of a head's tokens stays: 4 sinks, a quarter of them the newest, else the highest scores",
           "scores in, token numbers out",
           {"batch", "context", "kv_heads"},
           "read",
           make_case<TopKCase>});
    r.add({"compact",
           "the quarter that stays, to fresh blocks",
           "kept rows with their scales read and written, 4 for a token number",
           {"kv_dtype", "batch", "context", "kv_heads", "head_dim", "block_size", "order"},
           "copy",
           make_case<CompactCase>});
}

}  // namespace kvsim
