"""The whole page: header, tabs, what is remembered; and how it is launched."""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground.catalog import ASSETS
from playground.ui.api import register
from playground.ui.batch_tab import build_batches
from playground.ui.battle_tab import build_battle
from playground.ui.chain_tab import build_chain
from playground.ui.chat_tab import build_chat, labelled
from playground.ui.classify_tab import build_classify
from playground.ui.code_tab import build_code
from playground.ui.context import AppContext
from playground.ui.grid_tab import build_grid
from playground.ui.header import build_header
from playground.ui.help_tab import build_help
from playground.ui.image_tab import build_images
from playground.ui.inpaint_tab import build_inpaint
from playground.ui.models_tab import build_models
from playground.ui.outputs import outputs_folder
from playground.ui.remember import Remember
from playground.ui.running import Running
from playground.ui.scores_tab import build_scores
from playground.ui.theme import page_theme

LOOKS = ASSETS / "css"
# Pictures in a model's answer may not be fetched from elsewhere: that would tell another host what was said.
POLICY = "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:"


def build(context: AppContext) -> gr.Blocks:
    """The page with all tabs and the public API, not yet launched."""
    running = Running()
    with gr.Blocks(title="Playground", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as page:
        remember = Remember(context.settings)
        chips = build_header(context, page)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Chat", id="chat", elem_id="tab_chat"), gr.Tabs(elem_id="chat_tabs", elem_classes="pg-subtabs"):
                with gr.Tab("Side by side", id="talk", elem_id="tab_talk"):
                    chat = build_chat(context, running, remember)
                with gr.Tab("Battle", id="battle", elem_id="tab_battle"):
                    battle = build_battle(context, running, remember)
                with gr.Tab("Batches", id="batches", elem_id="tab_batches"):
                    batches = build_batches(context, running, remember)
                with gr.Tab("Classify", id="classify", elem_id="tab_classify"):
                    classes = build_classify(context, running, remember)
                with gr.Tab("Code", id="code", elem_id="tab_code"):
                    code = build_code(context, running, remember)
            with (
                gr.Tab("Text to image", id="image", elem_id="tab_image"),
                gr.Tabs(elem_id="image_tabs", elem_classes="pg-subtabs"),
            ):
                with gr.Tab("Create", id="create", elem_id="tab_create"):
                    images = build_images(context, running, remember)
                with gr.Tab("Grid", id="grid", elem_id="tab_grid"):
                    grid = build_grid(context, running, remember)
                with gr.Tab("Chain", id="chain", elem_id="tab_chain"):
                    chain = build_chain(context, running, remember)
            with gr.Tab("Inpaint", id="inpaint", elem_id="tab_inpaint"):
                inpaint = build_inpaint(context, running, remember)
            with gr.Tab("Scores", id="scores", elem_id="tab_scores") as scores_tab:
                build_scores(context, running, remember, scores_tab)
            with gr.Tab("Models", id="models", elem_id="tab_models") as models_tab:
                models_changed = build_models(context, running, remember, models_tab, tabs)
            with gr.Tab("Help", id="help", elem_id="tab_help"):
                reset = build_help(context)
        ready = remember.wire(page, reset)
        chat.wire(ready)
        images.wire(page, ready, tabs, inpaint)
        battle.wire(ready)
        batches.wire(ready)
        classes.wire(ready)
        code.wire(ready)
        grid.wire(ready)
        chain.wire(ready)
        chips.click(lambda: gr.update(selected="models"), outputs=tabs, queue=False, api_visibility="private")

        text_choices = [*chat.models, batches.models, classes.models, code.model]

        async def label() -> list[Any]:
            states = {s.id: s.state for s in await context.engine.models()}
            texts = labelled([(c.name, c.id) for c in context.catalog.of_kind("chat")], states)
            image = labelled([(c.name, c.id) for c in context.catalog.of_kind("image")], states)
            return [*(gr.update(choices=texts) for _ in text_choices), *(gr.update(choices=image) for _ in range(3))]

        choices = [*text_choices, images.models, inpaint.model, grid.models]
        told: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        ready.then(label, outputs=choices, **told)
        models_changed.change(label, outputs=choices, **told)
        register(context)
    _tell_nobody(page)
    return page


def _tell_nobody(page: gr.Blocks) -> None:
    """Events that show no progress keep no component informed of it.

    With every message of any event the browser tells every component that ever had a status its status anew, and looks
    each up in the whole tree: with some 1,250 components five messages a second took 4.5 of 6 seconds.
    """
    for event in page.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = []


def launch_kwargs(context: AppContext) -> dict[str, Any]:
    """Everything that `page.launch` needs besides address and login."""
    script = (LOOKS / "page.js").read_text(encoding="utf-8")
    return {
        "theme": page_theme(),
        "css_paths": [LOOKS / "page.css"],
        "head": f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><script>{script}</script>',
        "favicon_path": LOOKS / "icon.svg",
        "allowed_paths": [str(outputs_folder(context.settings))],
        "blocked_paths": [str(context.settings.data_path / name) for name in ("playground.sqlite3", "browser-secret")],
        "footer_links": ["api"],
        "run_history": False,
        "show_error": False,
        "max_file_size": "1gb" if context.settings.is_private else "20mb",  # a LoRA may have hundreds of megabytes
        "strict_cors": True,
        "enable_monitoring": False,
        # Gradio asks its own page for an answer within 3 s and gives up without one, which a busy machine takes longer
        # for. That the server answers it has asked before, without a limit.
        "_frontend": False,
    }
