"""Runs docs/capture/vllm_logger.py against stand-ins of vLLM's classes: drive_vllm_logger.py LOGGER_DIR TRACE MODE.

They have the attributes of vllm.outputs.RequestOutput and vllm.v1.engine.async_llm.AsyncLLM that the logger reads, and
num_cached_tokens as vLLM would report them with blocks of 16 tokens: at most (prompt - 1) // 16 of them."""
import asyncio
import enum
import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CompletionOutput:
    index: int
    token_ids: Any


@dataclass
class Stats:
    arrival_time: float


@dataclass
class LoRARequest:
    lora_name: str


@dataclass
class RequestOutput:
    request_id: str
    prompt_token_ids: list
    outputs: list
    num_cached_tokens: Any = None
    metrics: Any = None
    lora_request: Any = None


class Kind(enum.Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


@dataclass
class SamplingParams:
    output_kind: Kind
    n: int = 1


@dataclass
class Request:
    """A prompt with the output the engine will give, and what it will say was cached."""
    id: str
    prompt: list
    outputs: list = field(default_factory=list)
    cached: Any = None
    kind: Kind = Kind.FINAL_ONLY
    salt: Any = None
    lora: Any = None
    session: Any = None


PROMPT = list(range(1000, 1040))
ANSWER = list(range(2000, 2020))
REQUESTS = [
    Request("a", PROMPT, [ANSWER], 0, Kind.DELTA, session="s"),
    # a's 60 tokens and 10 more: 3 full blocks of them, the last one of a's output.
    Request("b", PROMPT + ANSWER + list(range(3000, 3010)), [[1, 2, 3, 4, 5]], 48, Kind.CUMULATIVE, session="s"),
    Request("c", PROMPT, [[7, 7]], 32),
    # All of the prompt is cached, but the last token has to be computed, so vLLM takes one block of the two.
    Request("d", PROMPT[:32], [[9]], 16, Kind.DELTA),
    Request("e", PROMPT, [[]], 0, lora="adapter"),
    Request("f", PROMPT, [[8]], 0, Kind.DELTA, salt="tenant"),
    Request("g", PROMPT, [[5, 5], [6]], 32, Kind.DELTA),
]


class AsyncLLM:
    closed = 0

    async def generate(self, prompt, sampling_params, request_id, *, lora_request=None, session_id=None):
        request = next(r for r in REQUESTS if r.id == request_id)
        try:
            steps = max(len(o) for o in request.outputs) or 1
            for step in range(steps):
                await asyncio.sleep(0)
                end = step + 1
                first = step if sampling_params.output_kind is Kind.DELTA else 0
                outputs = [CompletionOutput(i, tuple(o[first:end])) for i, o in enumerate(request.outputs)]
                if sampling_params.output_kind is not Kind.FINAL_ONLY or end == steps:
                    yield RequestOutput(request_id, request.prompt, outputs, request.cached, None, lora_request)
        finally:
            AsyncLLM.closed += 1


async def serve(engine):
    for r in REQUESTS:
        params = SamplingParams(r.kind, len(r.outputs))
        prompt = {"prompt_token_ids": r.prompt, **({"cache_salt": r.salt} if r.salt else {})}
        lora = LoRARequest(r.lora) if r.lora else None
        async for _ in engine.generate(prompt, params, r.id, lora_request=lora, session_id=r.session):
            pass
    assert AsyncLLM.closed == len(REQUESTS)


async def disconnect(engine):
    """The client goes after three tokens of a's answer."""
    stream = engine.generate({"prompt_token_ids": PROMPT}, SamplingParams(Kind.DELTA), "a")
    seen = 0
    async for output in stream:
        seen += len(output.outputs[0].token_ids)
        if seen == 3:
            break
    await stream.aclose()
    assert AsyncLLM.closed == 1


def offline(logger):
    """As a loop over LLM.generate() would: finished outputs, arrival in their metrics, labels by the caller."""
    for i, r in enumerate(REQUESTS):
        output = RequestOutput(r.id, r.prompt, [CompletionOutput(j, o) for j, o in enumerate(r.outputs)], r.cached,
                               Stats(logger.start + 0.5 * i), LoRARequest(r.lora) if r.lora else None)
        logger.log(output, salt=r.salt, session=r.session, category="batch")


def main():
    sys.path.insert(0, sys.argv[1])
    sys.dont_write_bytecode = True
    import vllm_logger
    if sys.argv[3] == "offline":
        offline(vllm_logger.KvsimLogger(sys.argv[2]))
        return
    vllm_logger.install(sys.argv[2], AsyncLLM)
    asyncio.run({"serve": serve, "disconnect": disconnect}[sys.argv[3]](AsyncLLM()))


main()
