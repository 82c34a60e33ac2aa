// Properties on random cases. rc::check begins every property of a process with the same random numbers, so repeating
// it repeats its cases; here each call goes on where no other has been. The seed that is printed at the start of a run
// still gives the same run again (RC_PARAMS="seed=N").
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <utility>

namespace kvsim_test {

// Everything is many times slower under a sanitizer, which looks for other things than wrong numbers: fewer cases there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

template <class Property>
bool random_check(const std::string& name, Property&& property) {
    static uint64_t calls = 0;
    rc::detail::TestParams params = rc::detail::configuration().testParams;
    params.seed += calls++ * 0x9E3779B97F4A7C15u;
    if (kSanitized) params.maxSuccess = (params.maxSuccess + 19) / 20;
    rc::detail::TestMetadata metadata;
    metadata.id = metadata.description = name;
    std::cerr << "\n- " << name << "\n";
    rc::detail::TestResult result = rc::detail::checkTestable(std::forward<Property>(property), metadata, params);
    rc::detail::printResultMessage(result, std::cerr);
    std::cerr << "\n";
    return result.template is<rc::detail::SuccessResult>();
}

template <class Property>
bool random_check(Property&& property) {
    return random_check("", std::forward<Property>(property));
}

}  // namespace kvsim_test
