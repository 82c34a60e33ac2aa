// What the formats that list accesses to single objects have in common: libCacheSim's oracleGeneral records
// and its tables. A record is a request that looks one object up; sizes are not modelled, every object takes
// one block.
//
// A chain of one block is its own prefix, so the prefix index holds such a trace as it is: 16 bytes per
// record say which record introduced its object, and the rest of the trace works as for prompts. Ids are
// found in one table by open addressing, id and row side by side: one cache miss per record, which reading
// ahead hides. Cost: O(1) per record; 36 bytes per record, and while reading 32 to 64 bytes per distinct
// object.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace kvsim {

/// For every id the row that introduced it.
class ObjectRows {
  public:
    ObjectRows() : slots_(kFirst) {}

    void prefetch(uint64_t id) const { __builtin_prefetch(&slots_[place(id)]); }
    /// The row that introduced `id`: `row` itself if no row did before.
    uint32_t introducer(uint64_t id, uint32_t row) {
        size_t mask = slots_.size() - 1;
        for (size_t at = place(id);; at = (at + 1) & mask) {
            Slot& slot = slots_[at];
            if (slot.row != 0 && slot.id == id) return slot.row - 1;
            if (slot.row != 0) continue;
            slot = {id, row + 1};
            if (++used_ > slots_.size() / 2) grow();
            return row;
        }
    }

  private:
    static constexpr size_t kFirst = 1 << 12;
    struct Slot {
        uint64_t id;
        uint32_t row;  ///< + 1; 0 = free
    };

    /// Ids are often addresses, alike in their low bits: the product's high bits depend on all of them.
    size_t place(uint64_t id) const {
        return static_cast<size_t>((id ^ (id >> 32)) * 0x9E3779B97F4A7C15ull >> shift_);
    }
    void grow() {
        HugeVector<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        --shift_;
        size_t mask = slots_.size() - 1;
        for (const Slot& slot : old) {
            if (slot.row == 0) continue;
            size_t at = place(slot.id);
            while (slots_[at].row != 0) at = (at + 1) & mask;
            slots_[at] = slot;
        }
    }

    HugeVector<Slot> slots_;
    size_t used_ = 0;
    int shift_ = 64 - std::countr_zero(kFirst);
};

class ObjectReader : public FormatReader {
  public:
    void finish(Trace& trace) override {
        trace.objects = true;
        trace.block_size = 1;
        trace.notes.push_back("unit-size objects: sizes are ignored (" + std::to_string(resized_) + " of " +
                              std::to_string(trace.requests()) + " records have a size other than 1" +
                              (empty_ == 0 ? "" : "; " + std::to_string(empty_) + " of size 0 count, too") +
                              ")");
    }
    /// The order of the records is the order of the accesses; their times may be coarse.
    bool sorted_by_arrival() const override { return false; }

  protected:
    /// Room for the records of a first source, where their number is known: growing costs more than reading.
    static void reserve(Trace& trace, uint64_t records) {
        if (trace.requests() != 0) return;
        records = std::min<uint64_t>(records, 1 << 28);
        trace.chains.reserve(records);
        trace.prompt_tokens.reserve(records);
        trace.output_tokens.reserve(records);
        trace.arrival_s.reserve(records);
        trace.source_row.reserve(records);
    }
    /// Makes room for `count` more requests, of which arrivals are still to be set; see trim().
    static uint32_t extend(Trace& trace, size_t count) {
        size_t row = trace.requests();
        if (row + count >= kNone)
            throw_input("the trace has more than " + std::to_string(kNone - 1) + " records");
        trace.prompt_tokens.resize(row + count, 1);
        trace.output_tokens.resize(row + count, 0);
        trace.arrival_s.resize(row + count);
        trace.source_row.resize(row + count);
        return static_cast<uint32_t>(row);
    }
    /// Drops the room that no record took.
    static void trim(Trace& trace) {
        size_t rows = trace.chains.rows();
        trace.prompt_tokens.resize(rows);
        trace.output_tokens.resize(rows);
        trace.arrival_s.resize(rows);
        trace.source_row.resize(rows);
    }
    /// The next request, in room that extend() made. `first`: the row that introduced its object, maybe this
    /// one.
    void add(Trace& trace, double arrival_s, uint64_t size, uint32_t first) {
        uint32_t row = trace.chains.rows();
        bool fresh = first == row;
        trace.chains.append(fresh ? kNone : first, fresh ? 0 : 1, 1);
        trace.arrival_s[row] = arrival_s;
        trace.source_row[row] = row;
        resized_ += size != 1;
        empty_ += size == 0;
    }

    ObjectRows rows_;

  private:
    uint64_t resized_ = 0;  ///< records of a size other than 1
    uint64_t empty_ = 0;    ///< records of size 0
};

}  // namespace kvsim
