"""Writes what vLLM served as a kvsim trace, one line per request; docs/CAPTURE.md says how to use it."""
import json, sys, time

class KvsimLogger:
    def __init__(self, path):
        self.file, self.start = open(path, "w"), time.time()
        print('{"kvsim_trace":1}', file=self.file, flush=True)

    def log(self, output, *args, **labels):  # a log that cannot be written must not fail the request
        try:
            self.write(output, *args, **labels)
        except Exception as error:
            print(f"vllm_logger: request {output.request_id} is not in the trace: {error}", file=sys.stderr)

    def write(self, output, t=None, samples=None, **labels):  # labels: session, category, turn, salt, ...
        if not output.prompt_token_ids: raise ValueError("its prompt has no token ids")
        samples = samples or {o.index: o.token_ids for o in output.outputs}
        t = max(t or getattr(output.metrics, "arrival_time", 0) or time.time(), self.start)
        cached = output.num_cached_tokens if len(samples) == 1 else None
        for index, tokens in samples.items():  # parallel samples are requests of their own, in vLLM too
            line = {"op": "request", "seq": f"{output.request_id}.{index}", "t": t - self.start,
                    "t_end": max(time.time(), t) - self.start, "tokens": list(output.prompt_token_ids),
                    "output_tokens": list(tokens), "cached_tokens": cached,
                    "lora": output.lora_request and output.lora_request.lora_name, **labels}
            print(json.dumps({k: v for k, v in line.items() if v is not None}), file=self.file, flush=True)

def install(path, engine):  # engine: vllm.v1.engine.async_llm.AsyncLLM, before the server makes one
    logger, generate = KvsimLogger(path), engine.generate
    async def logged(self, prompt, sampling_params, *args, **kwargs):
        t, samples, output, outputs = time.time(), {}, None, generate(self, prompt, sampling_params, *args, **kwargs)
        salt = prompt.get("cache_salt") if isinstance(prompt, dict) else getattr(prompt, "cache_salt", None)
        delta = sampling_params.output_kind.name == "DELTA"  # streamed: every output holds the new tokens only
        try:
            async for output in outputs:
                for o in output.outputs: samples[o.index] = samples.get(o.index, []) * delta + list(o.token_ids)
                yield output
        finally:  # also when the client has gone: what was computed until then is in the cache
            await outputs.aclose()
            if output is not None: logger.log(output, t, samples, salt=salt, session=kwargs.get("session_id"))
    engine.generate = logged
