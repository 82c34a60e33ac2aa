// Time of one launch among many, by CUDA graphs. Never run on a GPU so far.
//
// Launches from the host are microseconds apart, and events resolve half of one: a kernel of 3 us cannot be timed by
// either. So `count` launches are recorded into a graph and twice as many into another, both are replayed, and
// (t(2 count) - t(count)) / count is what one more launch costs: starting a graph and both events cancel. What remains
// in it is the gap between two nodes, which a server that launches graphs pays too. The caller gives each launch other
// buffers, enough that they do not stay in the cache.
#if KVSIM_HAVE_CUDA

#include <kvsim/backend/cuda_call.h>

namespace kvsim {
namespace {

struct Event {
    cudaEvent_t event = nullptr;
    Event() { cuda_check(cudaEventCreate(&event), "event"); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { cudaEventDestroy(event); }
};

class Graph {
  public:
    Graph(uint32_t calls, uint32_t count, const std::function<void(uint32_t)>& work, cudaStream_t stream) {
        cuda_check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a graph");
        try {
            for (uint32_t i = 0; i < calls; ++i) work(i % count);
        } catch (...) {
            cudaStreamEndCapture(stream, &graph_);
            if (graph_) cudaGraphDestroy(graph_);
            throw;
        }
        cuda_check(cudaStreamEndCapture(stream, &graph_), "recording a graph");
        cudaError_t code = cudaGraphInstantiate(&exec_, graph_, 0);
        if (code != cudaSuccess) cudaGraphDestroy(graph_);
        cuda_check(code, "making a graph");
    }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;
    ~Graph() {
        cudaGraphExecDestroy(exec_);
        cudaGraphDestroy(graph_);
    }

    double run_us(cudaStream_t stream) const {
        Event begin, end;
        cuda_check(cudaEventRecord(begin.event, stream), "event");
        cuda_check(cudaGraphLaunch(exec_, stream), "graph");
        cuda_check(cudaEventRecord(end.event, stream), "event");
        cuda_check(cudaEventSynchronize(end.event), "graph");
        float ms = 0;
        cuda_check(cudaEventElapsedTime(&ms, begin.event, end.event), "event");
        return 1000.0 * ms;
    }

  private:
    cudaGraph_t graph_ = nullptr;
    cudaGraphExec_t exec_ = nullptr;
};

}  // namespace

double cuda_time_each_us(uint32_t count, const std::function<void(uint32_t)>& work, cudaStream_t stream) {
    if (count == 0) return 0;
    work(0);  // loads the kernel, which could not be recorded
    cuda_check(cudaStreamSynchronize(stream), "kernels");
    Graph once(count, count, work, stream), twice(2 * count, count, work, stream);
    once.run_us(stream);  // the first replay uploads the graph
    twice.run_us(stream);
    double short_us = once.run_us(stream), long_us = twice.run_us(stream);
    return long_us > short_us ? (long_us - short_us) / count : long_us / (2.0 * count);
}

}  // namespace kvsim

#endif
