// What a block strategy is asked in the naive cache, and the plainest strategies. Names are strings; lists are vectors,
// oldest first; every decision is a linear scan. One twin per strategy is derived from NaiveStrategy in its own test.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvsim_test {

class NaiveStrategy {
  public:
    virtual ~NaiveStrategy() = default;
    /// Smallest key first: under pinned all room is made before anything is stored. Else block by block.
    virtual bool keyed() const { return true; }
    /// Request number `r` of the trace (after the warm-up nothing differs) is about to be looked up.
    virtual void request(size_t r) { (void)r; }
    virtual void hit(const std::string& name) = 0;
    /// About to be stored, before room is made.
    virtual void miss(const std::string& name) { (void)name; }
    /// One more block is to go before the one that missed is stored, although there is room.
    virtual bool wants_room() const { return false; }
    virtual void insert(const std::string& name, size_t depth) = 0;
    virtual void evict(const std::string& name) = 0;
    /// The last running request that held it has ended.
    virtual void released(const std::string& name) { (void)name; }
    /// One of `eligible`; "" to decline (`incoming` is not stored, or nobody may go).
    virtual std::string pick(const std::string& incoming, const std::vector<std::string>& eligible) = 0;

  protected:
    static bool among(const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    }
    static void remove(std::vector<std::string>& names, const std::string& name) {
        names.erase(std::remove(names.begin(), names.end(), name), names.end());
    }
    static std::string first_of(const std::vector<std::string>& order, const std::vector<std::string>& eligible) {
        for (const std::string& name : order)
            if (among(eligible, name)) return name;
        return "";
    }
};

class NaiveLru : public NaiveStrategy {
  public:
    void hit(const std::string& name) override {
        remove(order_, name);
        order_.push_back(name);
    }
    void insert(const std::string& name, size_t) override { order_.push_back(name); }
    void evict(const std::string& name) override { remove(order_, name); }
    void released(const std::string& name) override { hit(name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        return first_of(order_, eligible);
    }

  private:
    std::vector<std::string> order_;
};

class NaiveFifo : public NaiveStrategy {
  public:
    void hit(const std::string&) override {}
    void insert(const std::string& name, size_t) override { order_.push_back(name); }
    void evict(const std::string& name) override { remove(order_, name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        return first_of(order_, eligible);
    }

  private:
    std::vector<std::string> order_;
};

}  // namespace kvsim_test
