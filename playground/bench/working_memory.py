"""How good the estimates of working memory are: `python -m playground.bench.working_memory [--full] [--json]`.

Small models of random weights run on the CPU while every allocation is counted. With `--full`, models of real size are
traced instead, with tensors that have shapes and no data: the same count, without weights and without arithmetic.
"""

from __future__ import annotations

import argparse
import gc
import json
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from playground.bench.memory_cases import Case, full_cases, small_cases
from playground.models.sizes import human


@dataclass(frozen=True)
class Row:
    """One case, in bytes. `how` is "measured" (allocations of a real run) or "traced"."""

    name: str
    how: str
    dtype: str
    estimated: int
    peak: int

    @property
    def ratio(self) -> float:
        return self.estimated / self.peak


def rows(cases: Sequence[Case], dtypes: Sequence[torch.dtype], *, full: bool) -> Iterator[Row]:
    """Estimate and peak of each case in each dtype."""
    for case in cases:
        for dtype in dtypes:
            peak, config = (traced_peak if full else measured_peak)(case, dtype)
            name = str(dtype).removeprefix("torch.")
            yield Row(case.name, "traced" if full else "measured", name, case.estimate(config, name), peak)


def measured_peak(case: Case, dtype: torch.dtype) -> tuple[int, dict[str, Any]]:
    """The most bytes that a real run holds at once beside what was there before it; and the model's config."""
    from torch.profiler import ProfilerActivity, profile

    model = _made(case, dtype)
    with torch.no_grad():
        case.run(model, dtype)  # the first run chooses kernels
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            case.run(model, dtype)
    events = recorded.profiler.kineto_results.events()  # type: ignore[union-attr]
    held = peak = 0
    for _, count in sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"):
        held += count
        peak = max(peak, held)
    return peak, _config(model)


def traced_peak(case: Case, dtype: torch.dtype) -> tuple[int, dict[str, Any]]:
    """The same for a run on tensors without data, on which a model of any size runs in seconds."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        model = _made(case, dtype)
        gc.collect()
        live = _Live(model)
        with live:
            case.run(model, dtype)
    return live.peak, _config(model)


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that operations have made and that still live."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.held = self.peak = 0
        # Views of weights come out of operations too, and cost nothing.
        self._known = {t.untyped_storage()._cdata: 0 for t in (*model.parameters(), *model.buffers())}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self._known:
                    self._known[key] = storage.nbytes()
                    self.held += storage.nbytes()
                    weakref.finalize(storage, self._gone, key)
        self.peak = max(self.peak, self.held)
        return out

    def _gone(self, key: int) -> None:
        self.held -= self._known.pop(key)


def _made(case: Case, dtype: torch.dtype) -> Any:
    with _default_dtype(dtype):
        torch.manual_seed(0)
        return case.make().eval()


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _config(model: Any) -> dict[str, Any]:
    return dict(model.config) if hasattr(model.config, "items") else model.config.to_dict()


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a line a case, or JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m playground.bench.working_memory", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="trace models of real size instead of running small ones")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds this")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    cases = [case for case in (full_cases() if args.full else small_cases()) if args.only in case.name]
    dtypes = [torch.bfloat16] if args.full else [torch.float32, torch.bfloat16]
    found = []
    for row in rows(cases, dtypes, full=args.full):
        found.append({**asdict(row), "ratio": round(row.ratio, 3)})
        if not args.json:
            print(
                f"{row.name:<36} {row.dtype:<9} {row.how}  estimated {human(row.estimated):>9}"
                f"   peak {human(row.peak):>9}   {row.ratio:.2f}x",
                flush=True,
            )
    if args.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
