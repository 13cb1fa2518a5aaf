"""The Code section's handlers with a scripted engine: plan, edit, write, stop, reload. Nothing of a browser."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from playground.catalog import load_catalog
from playground.code.plan import plan_as_json
from playground.protocol import ChatRequest
from playground.settings import Settings
from playground.ui.code_kept import MOST_PROJECTS, Project, Projects, with_files
from playground.ui.code_tab import build_code
from playground.ui.code_writing import Part
from playground.ui.context import AppContext
from playground.ui.remember import Remember
from playground.ui.running import Running
from tests.code.test_plan import PLAN, with_file
from tests.code.test_planned import GOOD, MAIN, SUMS, block, wanted
from tests.scripted import ScriptedEngine, failure
from tests.ui.coding import coder

GOOD_PLAN = plan_as_json(PLAN)
STRANGER = {"owner": "browser:" + "b" * 32}
STATE = {"owner": "browser:" + "a" * 32}


class Section:
    """The handlers by the element and event that they listen to, and what the page shows after each."""

    def __init__(self, app: AppContext) -> None:
        self.running = Running()
        with gr.Blocks() as page:
            ready = gr.Button("ready", elem_id="ready")
            build_code(app, self.running, Remember(app.settings)).wire(ready.click(lambda: None))
        self.found: dict[tuple[str, str], Any] = {}
        for function in page.fns.values():
            for block_id, event in function.targets:
                if block_id is not None:
                    self.found.setdefault((str(page.blocks[block_id].elem_id), event), function.fn)
        self.restore = next(f.fn for f in page.fns.values() if f.fn is not None and "Past.restore" in str(f.fn))
        self.session = SimpleNamespace(session_hash="s", username=None)
        self.state: Any = STATE
        self.now: dict[str, Any] = {"code_id": "", "code_editor": "", "code_message": "A program that adds."}
        self.form: list[Any] = ["starter-phi", None, 1, None, None, False]

    def take(self, update: dict[Any, Any]) -> None:
        for part, value in update.items():
            if isinstance(value, dict) and value.get("__type__") == "update":
                for name, one in value.items():
                    if name != "__type__":
                        self.now[str(part.elem_id) + ("" if name == "value" else f".{name}")] = one
            else:
                self.now[str(part.elem_id)] = value

    def inputs(self) -> list[Any]:
        return [self.now["code_id"], self.now["code_editor"], self.state, self.session, self.now["code_message"],
                *self.form]  # fmt: skip

    def press(self, button: str, *, until: Any = None, stop: bool = False, leave: bool = False) -> list[dict]:
        """All updates of a long handler; once `until` holds of the page it is stopped, or left."""
        updates: list[dict] = []

        async def follow() -> None:
            stream: AsyncIterator[dict] = self.found[button, "click"](*self.inputs())
            async for update in stream:
                updates.append(update)
                self.take(update)
                if until is not None and until(self.now):
                    if leave:
                        await stream.aclose()  # type: ignore[attr-defined]
                        return
                    if stop:
                        self.found["code_stop", "click"](self.session)

        asyncio.run(follow())
        return updates

    def type(self, plan: str) -> None:
        self.now["code_editor"] = plan
        self.take(asyncio.run(self.found["code_editor", "input"](*self.inputs())))

    def reload(self) -> None:
        self.now = {"code_id": "", "code_editor": "", "code_message": ""}
        self.take(asyncio.run(self.restore(self.state, "", False, self.session)))


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(load_catalog(), {"starter-phi": coder()})


@pytest.fixture
def app(tmp_path: Path, engine: ScriptedEngine) -> AppContext:
    settings = Settings(data_dir=tmp_path)
    return AppContext(settings, load_catalog(), engine, lambda: pytest.fail("no database is needed"))


@pytest.fixture
def section(app: AppContext) -> Section:
    return Section(app)


def test_plan_then_write_then_reload(section: Section, engine: ScriptedEngine) -> None:
    updates = section.press("code_plan")
    assert json.loads(section.now["code_editor"]) == json.loads(GOOD_PLAN)
    assert "app/sums.py" in section.now["code_table"]
    assert "Planned in" in section.now["code_status"]
    assert (section.now["code_write.interactive"], section.now["code_stop.interactive"]) == (True, False)
    assert any("tokens" in str(v) or "Loading" in str(v) for u in updates for v in u.values())
    section.press("code_write")
    assert [wanted(request) for request in engine.requests[1:]] == ["app/sums.py", "main.py"]
    assert "all 2 files are written" in section.now["code_status"]
    assert section.now["code_files"].count("done</span>") == 2
    assert "no problem found" in section.now["code_report"]
    with zipfile.ZipFile(section.now["code_zip"]) as archive:
        assert archive.read("app/sums.py").decode() == SUMS
    assert section.now["code_view"] == MAIN
    before, project = dict(section.now), section.now["code_id"]
    section.reload()
    for part in ("code_editor", "code_table", "code_zip", "code_report", "code_message", "code_id"):
        assert section.now[part] == before[part], part
    assert section.now["code_files"].count("done</span>") == 2
    section.state = STRANGER
    section.reload()
    assert section.now["code_editor"] == ""
    shown = asyncio.run(section.found["code_earlier", "input"](project, STRANGER, False, section.session))
    assert "not there any more" in str(shown)


def test_stop_keeps_what_is_finished_and_write_goes_on(section: Section, engine: ScriptedEngine) -> None:
    section.type(GOOD_PLAN)
    engine.plays["starter-phi"] = coder(every=0.05)
    section.press("code_write", stop=True, until=lambda now: "from app" in str(now.get("code_view")))
    assert "Stopped: 1 of 2 files are done" in section.now["code_status"]
    assert "not whole</span> Stopped." in section.now["code_files"]
    assert len(engine.cancelled) == 1
    with zipfile.ZipFile(section.now["code_zip"]) as archive:
        assert archive.namelist() == ["app/sums.py"]
    section.reload()
    assert "not whole</span> Stopped." in section.now["code_files"]
    engine.plays["starter-phi"] = coder()
    engine.requests.clear()
    section.press("code_write")
    assert [wanted(request) for request in engine.requests] == ["main.py"]
    assert "all 2 files are written" in section.now["code_status"]


def test_a_page_that_is_left_loses_nothing(section: Section, engine: ScriptedEngine) -> None:
    section.type(GOOD_PLAN)
    engine.plays["starter-phi"] = coder(every=0.05)
    section.press("code_write", leave=True, until=lambda now: "from app" in str(now.get("code_view")))
    assert not section.running.any("s", "code")
    section.reload()
    assert "done</span>" in section.now["code_files"]
    assert "not whole</span> Stopped." in section.now["code_files"]
    assert engine.busy == 0


def test_an_edit_of_the_plan_writes_what_it_changed(section: Section, engine: ScriptedEngine) -> None:
    section.type(GOOD_PLAN)
    section.press("code_write")
    engine.requests.clear()
    more = replace(PLAN.files[1], exports=("add", "ZERO", "sub"))
    section.type(plan_as_json(replace(PLAN, files=(PLAN.files[0], more))))
    assert "lacks</span> <code>sub</code>" in section.now["code_files"]
    engine.plays["starter-phi"] = coder(files={**GOOD, "app/sums.py": block(SUMS + "\n\nsub = None\n")})
    section.press("code_write")
    assert [wanted(request) for request in engine.requests] == ["app/sums.py"]
    assert section.now["code_files"].count("done</span>") == 2
    section.type(GOOD_PLAN)
    engine.requests.clear()
    project = section.now["code_id"]
    section.press("code_again")
    assert [wanted(request) for request in engine.requests] == ["app/sums.py", "main.py"]
    assert section.now["code_id"] != project, "what was finished is kept beside it"


def test_a_finished_file_is_not_replaced_by_a_worse_one(section: Section, engine: ScriptedEngine) -> None:
    section.type(plan_as_json(replace(PLAN, files=(replace(PLAN.files[1], exports=("add", "sub")),))))
    section.press("code_write")
    assert "lacks</span> <code>sub</code>" in section.now["code_files"]
    engine.plays["starter-phi"] = failure("The line broke.", "Try again.")
    section.press("code_write")
    assert "lacks</span> <code>sub</code>" in section.now["code_files"]
    assert section.now["code_view"] == SUMS


def test_a_bad_plan_is_shown_with_what_is_wrong(section: Section, engine: ScriptedEngine) -> None:
    bad = with_file(path="../<b>.py")
    engine.plays["starter-phi"] = coder(plan=bad)
    section.press("code_plan")
    assert "leads outside of the project" in section.now["code_table"]
    assert "<b>" not in section.now["code_table"].replace("<b>../", "")
    assert not section.now["code_write.interactive"]
    section.type(GOOD_PLAN)
    assert "pg-problem" not in section.now["code_table"]
    assert section.now["code_write.interactive"]
    section.type(GOOD_PLAN[:-3])
    assert "The plan is not JSON" in section.now["code_table"]
    before = section.now["code_id"]
    section.reload()
    assert (section.now["code_editor"], section.now["code_id"]) == (GOOD_PLAN[:-3], before)


def test_a_plan_that_fails_leaves_the_one_before(section: Section, engine: ScriptedEngine) -> None:
    section.type(GOOD_PLAN)
    engine.plays["starter-phi"] = coder(plan="I cannot plan.")
    section.press("code_plan")
    assert "The plan is not JSON" in section.now["code_status"]
    assert section.now["code_view"].strip() == "I cannot plan."
    assert section.now["code_editor"] == GOOD_PLAN
    engine.plays["starter-phi"] = failure("It broke.", "Try again.")
    section.press("code_plan")
    assert "It broke." in section.now["code_status"]
    engine.plays["starter-phi"] = coder(every=0.05)
    section.press("code_plan", stop=True, until=lambda now: len(str(now.get("code_view"))) > 30)
    assert "Stopped." in section.now["code_status"]
    assert section.now["code_editor"] == GOOD_PLAN
    assert section.now["code_plan.interactive"]
    section.now["code_message"] = ""
    section.press("code_plan")
    assert "Nothing is asked for" in section.now["code_status"]


def test_any_file_can_be_looked_at_while_others_are_written(section: Section, engine: ScriptedEngine) -> None:
    section.type(GOOD_PLAN)
    engine.plays["starter-phi"] = coder(every=0.03)
    picked: list[str] = []

    def look(now: dict[str, Any]) -> bool:
        if not picked and "from app" in str(now.get("code_view")):
            event = SimpleNamespace(_data={"act": "show", "key": "app/sums.py"})
            show = section.found["code_files", "click"](now["code_id"], STATE, section.session, event)
            picked.append(next(v["value"] for p, v in drive(show).items() if p.elem_id == "code_view"))
        return False

    section.press("code_write", until=look)
    assert picked == [SUMS]
    assert section.now["code_view"] == SUMS


def drive(coroutine: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def test_what_a_model_writes_is_never_html(section: Section, engine: ScriptedEngine) -> None:
    evil = "<img src=x onerror=alert(1)>"
    plan = plan_as_json(
        replace(PLAN, files=(replace(PLAN.files[1], purpose=evil, exports=("add",)),), packages=(evil,))
    )
    engine.plays["starter-phi"] = coder(plan=plan, files={"app/sums.py": block(f"def add(: {evil}\n")})
    section.press("code_plan")
    section.press("code_write")
    for part in ("code_table", "code_status", "code_files", "code_report"):
        assert "<img" not in str(section.now.get(part, "")), part


def test_a_project_goes_along_and_stays_over_a_reload(section: Section, engine: ScriptedEngine, tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tools/shout.py", "def shout(text: str) -> str:\n    return text.upper()\n")
    section.form[1] = str(path)
    section.press("code_plan")
    section.form[1] = None
    section.reload()
    section.press("code_write")
    chats = [request for request in engine.requests if isinstance(request, ChatRequest)]
    assert len(chats) == 3
    assert all(any("def shout(text: str)" in m.content for m in request.messages) for request in chats)
    path.write_bytes(b"no zip")
    section.form[1] = str(path)
    section.press("code_plan")
    assert "no zip that can be read" in section.now["code_status"]


def test_earlier_projects_come_back_and_are_deleted(section: Section) -> None:
    section.press("code_plan")
    first = section.now["code_id"]
    section.now["code_message"] = "Another one."
    section.press("code_plan")
    second = section.now["code_id"]
    listed = asyncio.run(section.found["code_editor", "blur"](STATE, second, section.session))
    assert [name for name, _ in listed["choices"]] == ["Another one. (plan)", "A program that adds. (plan)"]
    section.take(asyncio.run(section.found["code_earlier", "input"](first, STATE, False, section.session)))
    assert (section.now["code_id"], section.now["code_message"]) == (first, "A program that adds.")
    section.take(asyncio.run(section.found["code_delete", "click"](first, STATE, section.session)))
    assert (section.now["code_id"], section.now["code_editor"]) == ("", "")
    section.type(GOOD_PLAN)
    assert section.now["code_id"] not in ("", first)


def test_projects_are_bounded_and_survive_half_a_character(tmp_path: Path) -> None:
    projects = Projects(tmp_path)
    for number in range(MOST_PROJECTS + 3):
        projects.begun("me", message=f"{number}")
    assert len(projects.listed("me")) == MOST_PROJECTS
    last = projects.last("me")
    assert last is not None
    assert last.message == f"{MOST_PROJECTS + 2}"
    half = projects.change("me", last.id, lambda p: replace(p, files={"a.py": Part("a.py", "done", "x = '\ud83d'\n")}))
    assert projects.found("me", half.id).files["a.py"].text == "x = '?'\n"
    with pytest.raises(Exception, match="not there any more"):
        projects.found("me", "../" + last.id)
    (path,) = tmp_path.glob(f"*/{last.id}.json")
    path.write_text("{")
    assert last.id not in [project.id for project in projects.listed("me")]


def test_what_one_page_finished_is_not_undone_by_another_that_is_left() -> None:
    whole, cut = Part("a.py", "done", "A = 1\n"), Part("a.py", "not whole", "A =", "Stopped.")
    project = with_files(Project("x"), {"a.py": whole, "b.py": Part("b.py"), "c.py": Part("c.py", "writing", live="C")})
    assert project.files == {"a.py": whole}
    assert with_files(project, {"a.py": cut}).files == {"a.py": whole}
    assert with_files(Project("x", files={"a.py": cut}), {"a.py": whole}).files == {"a.py": whole}
