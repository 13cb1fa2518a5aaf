"""What the in-process engine does for each kind of request, on a worker thread. Knows nothing of event loops.

Whatever loads torch is imported by the first job that needs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playground.catalog import Catalog, Kind, ModelCard
from playground.errors import InvalidRequest, ModelUnavailable, NotNow, OutOfMemory
from playground.protocol import (
    Added,
    AddRequest,
    CancelToken,
    ChatRequest,
    ClassifyRequest,
    Counted,
    CountRequest,
    Done,
    DownloadRequest,
    Event,
    ImageRequest,
    Loading,
    LoadRequest,
    Notice,
    PinRequest,
    Request,
    Sized,
    SizeRequest,
    Token,
    UnloadRequest,
)
from playground.settings import Settings

if TYPE_CHECKING:
    from playground.chat.together import Together
    from playground.models.pool import ModelPool

Emit = Callable[[Event], None]
# The work of a request; an iterator, where it returns one, pauses where other requests of the worker may go on.
Work = Callable[[Emit], Iterator[None] | None]


class Jobs:
    """Turns requests into work. `pool` opens the shared pool, `opened` gives it only if somebody has opened it."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        pool: Callable[[], ModelPool],
        opened: Callable[[], ModelPool | None],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._pool = pool
        self._opened = opened
        self._answering: dict[str, Together] = {}  # by card; each is used by the card's own worker alone

    def work(self, request: Request, card: ModelCard, cancel: CancelToken) -> Work:
        """The checked request as a function to run on a worker. Raises what is wrong with it before anything waits."""
        if isinstance(request, ChatRequest):
            _expect(card, "chat")
            from playground.chat.request import checked_chat
            from playground.chat.senses.able import check_senses

            chat = checked_chat(request, card)
            check_senses(chat.messages, card, self._catalog)
            draft = self._draft_card(chat, card)
            return lambda emit: self._chat(chat, card, draft, cancel, emit)
        if isinstance(request, ImageRequest):
            _expect(card, "image")
            from playground.images.request import checked_image

            image = checked_image(request, card)
            return lambda emit: self._image(image, card, cancel, emit)
        if isinstance(request, ClassifyRequest):
            _expect(card, "chat")
            from playground.chat.questions import check_classify

            check_classify(request)
            classify = request
            return lambda emit: self._classify(classify, card, cancel, emit)
        if isinstance(request, CountRequest):
            count = request
            return lambda emit: self._count(count, card, cancel, emit)
        if isinstance(request, PinRequest):
            pin = request
            return lambda emit: self._pin(pin, card, cancel, emit)
        plain: dict[type, Callable[[ModelCard, CancelToken, Emit], None]] = {
            LoadRequest: self._load,
            UnloadRequest: self._unload,
            DownloadRequest: self._download,
        }
        if type(request) not in plain:
            raise InvalidRequest(f"This engine cannot run a {type(request).__name__}.")
        return lambda emit: plain[type(request)](card, cancel, emit)

    def named(self, request: SizeRequest | AddRequest) -> Work:
        """The same for what a user names that need not be a card."""
        name = request.model.strip()
        if not self._settings.is_private and not (isinstance(request, SizeRequest) and name in self._catalog):
            raise InvalidRequest(
                "Models that are not on the list can be sized and added only where the app runs for its owner alone.",
                "Start it locally.",
            )
        if isinstance(request, SizeRequest):
            return lambda emit: self._size(name, emit)
        return lambda emit: self._add(name, request.quantization, emit)

    # --- running a model ---

    def _chat(
        self, request: ChatRequest, card: ModelCard, draft: ModelCard | None, cancel: CancelToken, emit: Emit
    ) -> Iterator[None]:
        from playground.chat.constraints.spec import check_bound
        from playground.chat.generate import Answer
        from playground.chat.together import Together

        check_bound(request)
        started = time.perf_counter()
        spoken = False

        def watched(event: Event) -> None:
            nonlocal spoken
            spoken = spoken or isinstance(event, Token)
            emit(event)

        together = self._answering.setdefault(card.id, Together())
        working = self._answer_bytes(card, request, self._ready_pool(card, emit))
        if draft is not None and not together.active:
            with self._lease(draft, cancel, emit):
                pass  # loaded now, since nobody may wait for a lease while holding another
        with ExitStack() as stack:
            # Answers of this worker that are under way cannot end while it waits: only the first may.
            while True:
                lease = self._lease(card, cancel, emit, working, wait=not together.active)
                try:
                    loaded = stack.enter_context(lease)
                    break
                except NotNow:
                    yield
            beside = self._beside(stack, draft, request, cancel)
            load_s = time.perf_counter() - started
            try:
                one = Answer(loaded, request, cancel, watched)
                speculation = None
                if together.active and request.speculation:
                    one.say("Answered without drafts, since other answers are made together with this one.")
                else:
                    speculation = one.speculate(beside)
                yield from together.make(one, loaded, cancel, speculation)
            except OutOfMemory as error:
                # What has been said already cannot be taken back, so that only a silent answer is tried again.
                if spoken or not self._relieve():
                    raise self._pool().shortage(error) from None
                emit(Notice("Memory ran out, so models that were not in use were freed."))
                try:
                    one = Answer(loaded, request, cancel, emit)
                    yield from together.make(one, loaded, cancel)
                except OutOfMemory as again:
                    raise self._pool().shortage(again) from None
            stats = one.stats()
        emit(Done(replace(stats, load_s=load_s)))

    def _draft_card(self, request: ChatRequest, card: ModelCard) -> ModelCard | None:
        """The card that the request names for drafts."""
        from playground.chat.request import PROMPT_LOOKUP

        if request.speculation in ("", PROMPT_LOOKUP):
            return None
        draft = self._catalog[request.speculation]
        _expect(draft, "chat")
        if draft.id == card.id or draft.backend != "local":
            why = "is the model itself" if draft.id == card.id else "does not run here"
            raise InvalidRequest(
                f"{draft.name} cannot draft for {card.name}: it {why}.", "Choose a smaller local model, or none."
            )
        return draft

    def _beside(self, stack: ExitStack, draft: ModelCard | None, request: ChatRequest, cancel: CancelToken) -> Any:
        """The draft's model, leased beside the one that answers; None where it cannot be had at once."""
        if draft is None:
            return None
        working = self._answer_bytes(draft, request, self._pool())
        try:
            return stack.enter_context(self._pool().lease(draft, working_bytes=working, wait=False, cancel=cancel))
        except (NotNow, OutOfMemory):
            return None

    def _image(self, request: ImageRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        from playground.images.adapters import pick
        from playground.images.memory import plan_for
        from playground.images.preview_kept import FOLDER as PREVIEWS
        from playground.images.prompts.wildcards import FOLDER
        from playground.images.run import paint
        from playground.models.adapter_shelf import open_shelf

        started = time.perf_counter()
        pool = self._ready_pool(card, emit)
        folder = self._settings.data_path / FOLDER
        request, picked = pick(request, open_shelf(self._settings, request.owner), folder)
        plan = plan_for(card, request, pool.dtype_of(card), pool.attainable(card.id))
        working = plan.bytes + picked.bytes_in(pool.dtype_of(card))
        refused: ModelUnavailable | InvalidRequest | None = None
        with self._lease(card, cancel, emit, working, staged=plan.staged, adapters=picked.names) as loaded:
            load_s = time.perf_counter() - started
            try:
                data = self._settings.data_path
                stats = paint(
                    loaded,
                    request,
                    cancel,
                    emit,
                    plan,
                    relieve=self._relieve,
                    wildcards=folder,
                    picked=picked,
                    previews=data / PREVIEWS,
                )
            except OutOfMemory as error:
                raise self._pool().shortage(error) from None
            except (ModelUnavailable, InvalidRequest) as error:
                refused = error  # the model is as it was: raised in its lease, it would be dropped
        if refused is not None:
            raise refused
        emit(Done(replace(stats, load_s=load_s)))

    def _classify(self, request: ClassifyRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> Iterator[None]:
        from playground.chat.classify import score_texts
        from playground.chat.together import Together

        together = self._answering.setdefault(card.id, Together())
        working = self._label_bytes(card, request, self._ready_pool(card, emit))
        with ExitStack() as stack:
            while True:  # as in `_chat`
                lease = self._lease(card, cancel, emit, working, wait=not together.active)
                try:
                    loaded = stack.enter_context(lease)
                    break
                except NotNow:
                    yield
            together.active += 1
            try:
                emit(Loading(card.id, 1.0, "ready"))
                for scores in score_texts(loaded, request, cancel):
                    if scores is not None:
                        emit(scores)
                    yield
            except OutOfMemory as error:
                raise self._pool().shortage(error) from None
            finally:
                together.active -= 1
        emit(Done())

    def _count(self, request: CountRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        found = self._counted_on_disk(request, card) if card.kind == "image" else None
        emit(found or self._counted_loaded(request, card, cancel, emit))
        emit(Done())

    def _counted_on_disk(self, request: CountRequest, card: ModelCard) -> Counted | None:
        """What a picture prompt takes, without the weights; None where the model is one file or not here."""
        from playground.images.count import count_on_disk
        from playground.models.download import cached_folder, is_local

        folder = (card.folder or cached_folder(card)) if is_local(card) else None
        found = None if folder is None else count_on_disk(folder, request.text)
        return None if found is None else Counted(*found)

    def _counted_loaded(self, request: CountRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> Counted:
        pool = self._opened()
        if pool is None or not pool.holds(card.id):
            raise ModelUnavailable(f"{card.name} is not loaded, so its tokens cannot be counted.", "Load it first.")
        with self._lease(card, cancel, emit) as loaded:
            if card.kind == "chat":
                from playground.chat.count import count_tokens as count
            else:
                from playground.images.count import count_tokens as count  # type: ignore[assignment]
            return Counted(*count(loaded, request.text))

    # --- having a model ---

    def _load(self, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        with self._lease(card, cancel, emit):
            emit(Loading(card.id, 1.0, "ready"))
        emit(Done())

    def _unload(self, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        pool = self._opened()
        if pool is not None:
            pool.unload(card.id)
        emit(Done())

    def _pin(self, request: PinRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        if not request.pinned:
            self._pool().pin(card.id, False)
            emit(Done())
            return
        with self._lease(card, cancel, emit):
            self._pool().pin(card.id)
        emit(Done())

    def _download(self, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        from playground.models.download import locate

        dtype = self._ready_pool(card, emit).dtype_of(card)
        locate(card, self._settings, dtype=dtype, progress=_progress(card, emit), cancel=cancel)
        emit(Done())

    def _size(self, name: str, emit: Emit) -> None:
        from playground import doctor
        from playground.models import devices

        device = devices.pick_device(self._settings)
        kinds: tuple[Kind, ...] = ("chat", "image", "clip")
        here: dict[str, Any] = {"budget_bytes": self._pool().stats.budget_bytes}
        here["dtypes"] = {kind: devices.pick_dtype(device, self._settings, kind) for kind in kinds}
        emit(Sized(doctor.model(name, self._settings, here, self._catalog)))
        emit(Done())

    def _add(self, name: str, quantization: str, emit: Emit) -> None:
        from playground import doctor
        from playground.models import devices
        from playground.models.adopt import card_of, quantized_card

        known, facts, _ = doctor.find(name, self._settings, self._catalog)
        card = known
        if card is None:
            assert facts is not None, "what is no card was found by its headers"
            card = card_of(name, facts, self._catalog)
        if quantization:
            device = devices.pick_device(self._settings)
            card = quantized_card(card, quantization, device, self._catalog)
        if any(
            (c.source, c.file, c.quantization) == (card.source, card.file, card.quantization) for c in self._catalog
        ):
            raise InvalidRequest(f"{card.name} is on the list already.", "Load it from there.")
        self._catalog.add(card)
        emit(Added(card.id))
        emit(Done())

    # --- memory ---

    def _ready_pool(self, card: ModelCard, emit: Emit) -> ModelPool:
        """The pool; says what the wait is for where it has to be opened first."""
        if self._opened() is None:
            emit(Loading(card.id, None, "Starting torch"))
        return self._pool()

    def _answer_bytes(self, card: ModelCard, request: ChatRequest, pool: ModelPool) -> int:
        """What the request needs beside the weights: the cache of its tokens, and what seeing and hearing takes."""
        from playground.chat.senses.sizes import sizes_of
        from playground.models import working

        characters = sum(len(message.content) + len(message.reasoning) for message in request.messages)
        characters += sum(len(tool.description) + len(tool.parameters) for tool in request.tools)
        tokens = characters // 2 + (request.max_new_tokens or 0)  # rarely more than a token for two characters
        dtype = pool.dtype_of(card)
        more, at_work = working.for_senses(card, *sizes_of(request.messages), dtype)
        tokens = min(tokens + more, card.context or tokens + more)
        if self._settings.compile != "off":
            from playground.models.compiled import fixed_size

            tokens = fixed_size(tokens, card.context)
        tokens *= 2 if request.stable_probes else 1  # drafts have a cache of their own
        return working.for_answer(card, tokens, dtype) + at_work

    def _label_bytes(self, card: ModelCard, request: ClassifyRequest, pool: ModelPool) -> int:
        """The same for the texts of a classification that are read together."""
        from playground.models import working

        longest = max((len(text) for text in request.texts or (request.text,) if isinstance(text, str)), default=0)
        about = sum(len(text) for text in (*request.labels, *request.descriptions) if isinstance(text, str))
        tokens = min((longest + about + len(request.template)) // 2, card.context or 1_000_000)
        # The beginning, the texts of a step, and those again for the labels of several tokens.
        return working.for_answer(card, 3 * max(tokens, 2048), pool.dtype_of(card))

    def _relieve(self) -> bool:
        """Frees what nobody uses; whether that gave anything back."""
        return self._pool().trim() > 0

    @contextmanager
    def _lease(
        self,
        card: ModelCard,
        cancel: CancelToken,
        emit: Emit,
        working_bytes: int = 0,
        *,
        staged: bool = False,
        wait: bool = True,
        adapters: Sequence[str] = (),
    ) -> Iterator[Any]:
        """Leases the card's model for work on this thread, with the thread count that suits its size."""
        pool = self._ready_pool(card, emit)
        from playground.models import devices

        with pool.lease(
            card,
            adapters=adapters,
            working_bytes=working_bytes,
            staged=staged,
            wait=wait,
            progress=_progress(card, emit),
            cancel=cancel,
        ) as loaded:
            devices.use_threads(devices.intraop_threads(loaded.device, card.kind, loaded.bytes))
            yield loaded


def _progress(card: ModelCard, emit: Emit) -> Callable[..., None]:
    def progress(fraction: float | None, text: str = "") -> None:
        emit(Loading(card.id, fraction, text))

    return progress


def _expect(card: ModelCard, kind: str) -> None:
    if card.kind != kind:
        wanted = {"chat": "a text model", "image": "an image model"}[kind]
        raise InvalidRequest(f"{card.name} is not {wanted}.", "Choose another model for this.")
