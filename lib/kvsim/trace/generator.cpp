#include <kvsim/core/error.h>
#include <kvsim/trace/generator.h>

namespace kvsim {

Registry<GeneratorRow>& trace_generators() {
    static Registry<GeneratorRow> registry = [] {
        Registry<GeneratorRow> r("trace generator");
        r.add(chat_generator());
        r.add(uniform_generator());
        return r;
    }();
    return registry;
}

Trace generate_trace(std::string_view spec_text, uint64_t seed) {
    Spec spec = Spec::parse(spec_text);
    const GeneratorRow& row = trace_generators().get(spec.id());
    Trace trace = row.generate(spec, seed);
    trace.name = row.id;
    trace.format = "kvsim";
    return trace;
}

}  // namespace kvsim
