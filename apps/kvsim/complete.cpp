#include "complete.h"

#include <kvsim/core/spec.h>

#include <CLI/App.hpp>

#include <algorithm>

namespace kvsim::app {

namespace {

/// Values are completed one item of a list at a time, and in an item first its id, then its parameters.
class ValueCompleter {
  public:
    ValueCompleter(std::vector<ValueWord> words, std::string head, Completion& into)
        : words_(std::move(words)), head_(std::move(head)), into_(into) {}

    void list(const std::string& text) {
        size_t comma = text.rfind(',');
        if (comma == std::string::npos) return item(text);
        std::vector<std::string> items = split_spec_list(text);
        std::string last = items.back();
        if (text.find('=', comma) == std::string::npos && items.size() > 1) {
            // A new item, or one more parameter of the item before.
            items.pop_back();
            given_ = items;
            std::string before = items.back();
            std::string parameters = before + "," + last;
            if (before.find(':') != std::string::npos) item_at(text.size() - parameters.size(), text);
        }
        item_at(text.size() - last.size(), text);
    }

    void item(const std::string& text) {
        size_t colon = text.find(':');
        if (colon == std::string::npos) {
            for (const ValueWord& w : words_)
                if (std::find(given_.begin(), given_.end(), w.text) == given_.end()) offer(text, w.text, w.help);
            return;
        }
        for (const ValueWord& w : words_)
            if (w.text == text.substr(0, colon)) parameter(w, text, text.rfind(',') == std::string::npos ? colon : text.rfind(','));
    }

  private:
    void item_at(size_t start, const std::string& text) {
        std::string whole = head_;
        head_ += text.substr(0, start);
        item(text.substr(start));
        head_ = whole;
    }

    void parameter(const ValueWord& w, const std::string& text, size_t mark) {
        std::string before = text.substr(0, mark + 1);
        for (const auto& [parameter, meaning] : w.parameters) {
            std::string key = parameter.substr(0, parameter.find('=') + 1), fallback = parameter.substr(key.size());
            bool here = text.compare(mark + 1, key.size(), key) == 0;
            if (here && fallback.find('|') != std::string::npos) {
                for (size_t at = 0; at <= fallback.size();) {
                    size_t bar = std::min(fallback.find('|', at), fallback.size());
                    offer(text, before + key + fallback.substr(at, bar - at), "");
                    at = bar + 1;
                }
            }
            bool given = text.find(":" + key) != std::string::npos || text.find("," + key) != std::string::npos;
            if (!given) offer(text, before + key, "default " + fallback + (meaning.empty() ? "" : "; " + meaning));
        }
    }

    void offer(const std::string& typed, const std::string& word, const std::string& help) {
        if (word.rfind(typed, 0) == 0) into_.candidates.emplace_back(head_ + word, help);
    }

    std::vector<ValueWord> words_;
    std::string head_;  ///< what stands before the item
    std::vector<std::string> given_;
    Completion& into_;
};

/// "N|P%|unlimited": the words that are written as they stand.
std::vector<ValueWord> literal_words(const std::string& type) {
    std::vector<ValueWord> words;
    for (size_t at = 0; at < type.size();) {
        size_t bar = std::min(type.find('|', at), type.size());
        std::string word = type.substr(at, bar - at);
        auto lower = [](char c) { return (c >= 'a' && c <= 'z') || c == '-' || c == '_'; };
        if (!word.empty() && std::all_of(word.begin(), word.end(), lower)) words.push_back({word, ""});
        at = bar + 1;
    }
    return words;
}

void complete_value(const std::string& command, const CLI::Option& option, const std::string& text, const std::string& head,
                    Completion& into) {
    bool positional = option.get_positional();
    std::string name = positional ? option.get_name(true) : "--" + option.get_lnames().front();
    std::string type = positional ? "" : option.get_type_name();
    std::vector<ValueWord> words = value_words(command, name);
    into.files = type.find("FILE") != std::string::npos || (positional && words.empty());
    for (ValueWord& w : literal_words(type)) {
        auto same = [&](const ValueWord& known) { return known.text == w.text; };
        if (std::none_of(words.begin(), words.end(), same)) words.push_back(std::move(w));
    }
    ValueCompleter values(std::move(words), head, into);
    bool list = !positional && option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    list ? values.list(text) : values.item(text);
}

void complete_options(const CLI::App& app, const std::vector<std::string>& given, const std::string& text, Completion& into) {
    for (const CLI::Option* o : app.get_options()) {
        bool again = o->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
        for (const std::string& lname : o->get_lnames()) {
            std::string name = "--" + lname;
            bool there = std::find(given.begin(), given.end(), name) != given.end();
            if (name.rfind(text, 0) == 0 && (again || !there)) into.candidates.emplace_back(name, o->get_description());
        }
    }
}

}  // namespace

Completion complete(const CLI::App& root, const std::vector<std::string>& words) {
    Completion found;
    if (words.empty()) return found;
    const CLI::App* app = &root;
    const CLI::Option* pending = nullptr;
    std::string path;
    std::vector<std::string> given;
    size_t arguments = 0;
    auto command_named = [&](const std::string& word) {
        for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; }))
            if (sub->get_name() == word) return sub;
        return static_cast<const CLI::App*>(nullptr);
    };
    for (size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& word = words[i];
        if (pending) {
            pending = nullptr;
        } else if (word.size() > 1 && word[0] == '-') {
            size_t equals = word.find('=');
            given.push_back(word.substr(0, equals));
            const CLI::Option* o = app->get_option_no_throw(given.back());
            if (o && o->get_expected_max() > 0 && equals == std::string::npos) pending = o;
        } else if (const CLI::App* sub = command_named(word); sub && arguments == 0) {
            app = sub;
            path += (path.empty() ? "" : " ") + word;
        } else {
            ++arguments;
        }
    }
    const std::string& text = words.back();
    if (pending) {
        complete_value(path, *pending, text, "", found);
        return found;
    }
    if (!text.empty() && text[0] == '-') {
        size_t equals = text.find('=');
        if (equals == std::string::npos) {
            complete_options(*app, given, text, found);
        } else if (const CLI::Option* o = app->get_option_no_throw(text.substr(0, equals)); o && o->get_expected_max() > 0) {
            complete_value(path, *o, text.substr(equals + 1), text.substr(0, equals + 1), found);
        }
        return found;
    }
    for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; }))
        if (sub->get_name().rfind(text, 0) == 0) found.candidates.emplace_back(sub->get_name(), sub->get_description());
    bool argument = false;
    for (const CLI::Option* o : app->get_options()) {
        if (!o->get_positional() || (arguments > 0 && o->get_expected_max() <= 1)) continue;
        complete_value(path, *o, text, "", found);
        argument = true;
    }
    if (!argument && text.empty() && found.candidates.empty()) complete_options(*app, given, text, found);
    return found;
}

std::string completion_text(const Completion& completion) {
    constexpr size_t kLongest = 90;
    std::string out;
    for (const auto& [word, help] : completion.candidates) {
        std::string text = help.substr(0, help.find_first_of("\n\t"));
        if (text.size() > kLongest) text = text.substr(0, text.rfind(' ', kLongest)) + " ...";
        out += word + (text.empty() ? "" : "\t" + text) + "\n";
    }
    if (completion.files) out += ":files\n";
    return out;
}

}  // namespace kvsim::app
