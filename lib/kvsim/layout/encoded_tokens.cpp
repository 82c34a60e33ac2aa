#include <kvsim/core/error.h>
#include <kvsim/layout/encoded_tokens.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

void StoredError::add(const StoredError& other) {
    squared_error += other.squared_error;
    squares += other.squares;
    largest_error = std::max(largest_error, other.largest_error);
    largest_of_bound = std::max(largest_of_bound, other.largest_of_bound);
}

EncodedTokens::EncodedTokens(const Codec& codec)
    : codec_(codec),
      row_values_(static_cast<uint32_t>(codec.shape().values())),
      unit_values_(codec.unit_values()),
      unit_tokens_(codec.unit_tokens()),
      units_(codec.row_units()),
      slot_bytes_(codec.unit_bytes(codec.unit_tokens()).total()),
      slabs_(units_),
      unit_(size_t{unit_values_} * unit_tokens_),
      decoded_(unit_.size()),
      bounds_(unit_.size()) {}

void EncodedTokens::foresee(const float* rows, uint32_t tokens) {
    foreseen_ = rows;
    foreseen_begin_ = tokens_;
    foreseen_end_ = tokens_ + tokens;
}

// Tokens to encode now, from encoded_ on.
uint32_t EncodedTokens::due() const {
    uint32_t waiting = tokens_ - encoded_, window = codec_.residual_tokens();
    if (unit_tokens_ == 1) return waiting > window ? waiting - window : 0;
    // KIVI: keys gather until the window is full and are encoded together.
    uint32_t gather = std::max(window, unit_tokens_);
    return waiting >= gather ? gather : 0;
}

void EncodedTokens::append(const float* row, const Stored& stored) {
    uint32_t heads = codec_.shape().heads;
    gone_.resize(gone_.size() + heads, 0);
    uint32_t token = tokens_++;
    if (whole_groups() && token < foreseen_end_) {
        if (token == encoded_) {
            uint32_t group = token / unit_tokens_;
            group_tokens_.push_back(std::min(unit_tokens_, foreseen_end_ - token));
            encode_group(group, foreseen_ + size_t{token - foreseen_begin_} * row_values_);
            encoded_ += group_tokens_.back();
        }
        return tell(token, stored);
    }
    if (encoded_ % unit_tokens_ != 0) throw_failed("encoded tokens: a token comes after a group that was ended early");
    waiting_.insert(waiting_.end(), row, row + row_values_);
    held_.push_back(heads);
    bytes_.data += uint64_t{row_values_} * sizeof(float);
    stored_values_ += row_values_;
    uint32_t count = due();
    for (uint32_t done = 0; done < count; done += unit_tokens_) {
        group_tokens_.push_back(unit_tokens_);
        encode_group(encoded_ / unit_tokens_, waiting_.data() + size_t{done} * row_values_);
        encoded_ += unit_tokens_;
        for (uint32_t t = encoded_ - unit_tokens_; t < encoded_; ++t) tell(t, stored);
    }
    for (uint32_t i = 0; i < count; ++i) {
        if (held_[i] == 0) continue;
        bytes_.data -= uint64_t{row_values_} * sizeof(float);
        stored_values_ -= row_values_;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<long>(size_t{count} * row_values_));
    held_.erase(held_.begin(), held_.begin() + count);
}

// Encodes a group of tokens whose rows follow each other, and measures what reads back. Units that nobody holds any more
// are measured too: each value that was stored counts once.
void EncodedTokens::encode_group(uint32_t group, const float* rows) {
    uint32_t tokens = group_tokens_[group], first = group * unit_tokens_;
    uint32_t heads = codec_.unit_heads();
    StoredBytes size = codec_.unit_bytes(tokens);
    for (uint32_t u = 0; u < units_; ++u) {
        for (uint32_t t = 0; t < tokens; ++t)
            std::copy_n(rows + size_t{t} * row_values_ + size_t{u} * unit_values_, unit_values_,
                        unit_.data() + size_t{t} * unit_values_);
        Slab& slab = slabs_[u];
        uint32_t holding = 0;
        for (uint32_t t = 0; t < tokens; ++t)
            for (uint32_t h = 0; h < heads; ++h) {
                size_t at = size_t{first + t} * codec_.shape().heads + size_t{u} * heads + h;
                if (at >= gone_.size() || !gone_[at]) ++holding;
            }
        uint32_t slot = 0;
        if (slab.free.empty()) {
            slot = static_cast<uint32_t>(slab.bytes.size() / slot_bytes_);
            slab.bytes.resize(slab.bytes.size() + slot_bytes_);
        } else {
            slot = slab.free.back();
            slab.free.pop_back();
        }
        uint8_t* bytes = slab.bytes.data() + slot * slot_bytes_;
        codec_.encode(unit_.data(), tokens, bytes);
        codec_.decode(bytes, tokens, decoded_.data());
        bool bounded = codec_.error_bounds(bytes, tokens, bounds_.data());
        for (size_t i = 0; i < size_t{tokens} * unit_values_; ++i) {
            double x = unit_[i], error = std::abs(x - double{decoded_[i]});
            error_.squares += x * x;
            error_.squared_error += error * error;
            error_.largest_error = std::max(error_.largest_error, error);
            if (bounded && error > 0) error_.largest_of_bound = std::max(error_.largest_of_bound, error / double{bounds_[i]});
        }
        slab.slot.push_back(slot);
        slab.holding.push_back(holding);
        bytes_ += size;
        stored_values_ += uint64_t{tokens} * unit_values_;
        if (holding == 0) give_back(slab, group);
    }
}

// A unit nobody holds any more.
void EncodedTokens::give_back(Slab& slab, uint32_t group) {
    StoredBytes size = codec_.unit_bytes(group_tokens_[group]);
    bytes_.data -= size.data;
    bytes_.metadata -= size.metadata;
    bytes_.padding -= size.padding;
    stored_values_ -= uint64_t{group_tokens_[group]} * unit_values_;
    slab.free.push_back(slab.slot[group]);
    slab.slot[group] = kNoSlot;
}

void EncodedTokens::tell(uint32_t token, const Stored& stored) const {
    if (!stored) return;
    uint32_t group = token / unit_tokens_, within = token % unit_tokens_;
    for (uint32_t u = 0; u < units_; ++u) {
        const Slab& slab = slabs_[u];
        if (slab.slot[group] == kNoSlot) continue;
        codec_.decode(slab.bytes.data() + slab.slot[group] * slot_bytes_, group_tokens_[group], decoded_.data());
        stored(u * codec_.unit_heads(), token, decoded_.data() + size_t{within} * unit_values_);
    }
}

void EncodedTokens::release(uint32_t head, uint32_t token) {
    uint8_t& gone = gone_[size_t{token} * codec_.shape().heads + head];
    if (gone) throw_failed("token " + std::to_string(token) + " is released twice");
    gone = 1;
    if (token >= encoded_) {
        if (--held_[token - encoded_] != 0) return;
        bytes_.data -= uint64_t{row_values_} * sizeof(float);
        stored_values_ -= row_values_;
        return;
    }
    Slab& slab = slabs_[head / codec_.unit_heads()];
    uint32_t group = token / unit_tokens_;
    if (--slab.holding[group] == 0) give_back(slab, group);
}

void EncodedTokens::read(uint32_t head, uint32_t token, float* values) const {
    uint32_t dim = codec_.shape().head_dim;
    if (token >= encoded_) {
        std::copy_n(waiting_.data() + size_t{token - encoded_} * row_values_ + size_t{head} * dim, dim, values);
        return;
    }
    const Slab& slab = slabs_[head / codec_.unit_heads()];
    uint32_t group = token / unit_tokens_;
    codec_.decode(slab.bytes.data() + slab.slot[group] * slot_bytes_, group_tokens_[group], decoded_.data());
    std::copy_n(decoded_.data() + size_t{token % unit_tokens_} * unit_values_ + size_t{head % codec_.unit_heads()} * dim,
                dim, values);
}

uint64_t EncodedTokens::allocated_bytes() const {
    uint64_t bytes = waiting_.capacity() * sizeof(float);
    for (const Slab& slab : slabs_) bytes += slab.bytes.capacity();
    return bytes;
}

StoredError EncodedTokens::error() const {
    StoredError all = error_;
    for (float x : waiting_) all.squares += double{x} * x;
    return all;
}

void EncodedTokens::check_invariants() const {
    StoredBytes bytes;
    uint64_t values = 0;
    uint32_t heads = codec_.unit_heads();
    for (uint32_t u = 0; u < units_; ++u) {
        const Slab& slab = slabs_[u];
        size_t used = 0;
        for (uint32_t g = 0; g < group_tokens_.size(); ++g) {
            uint32_t holding = 0;
            for (uint32_t t = 0; t < group_tokens_[g]; ++t)
                for (uint32_t h = 0; h < heads; ++h) {
                    size_t at = (size_t{g} * unit_tokens_ + t) * codec_.shape().heads + size_t{u} * heads + h;
                    if (at >= gone_.size() || !gone_[at]) ++holding;
                }
            if (holding != slab.holding[g]) throw_failed("encoded tokens: heads that hold a unit are miscounted");
            if ((holding == 0) != (slab.slot[g] == kNoSlot)) throw_failed("encoded tokens: a unit is kept or lost wrongly");
            if (holding == 0) continue;
            ++used;
            bytes += codec_.unit_bytes(group_tokens_[g]);
            values += uint64_t{group_tokens_[g]} * unit_values_;
        }
        if (used + slab.free.size() != slab.bytes.size() / slot_bytes_) throw_failed("encoded tokens: slots are lost");
    }
    for (uint32_t held : held_) {
        bytes.data += held == 0 ? 0 : uint64_t{row_values_} * sizeof(float);
        values += held == 0 ? 0 : row_values_;
    }
    if (bytes.data != bytes_.data || bytes.metadata != bytes_.metadata || bytes.padding != bytes_.padding)
        throw_failed("encoded tokens: bytes differ from those of the units");
    if (values != stored_values_) throw_failed("encoded tokens: values differ from those of the units");
}

}  // namespace kvsim
