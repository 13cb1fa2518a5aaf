"""Whatever a user does in whatever order: columns stay apart, nothing is lost, undo goes back, JSON is the identity."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from playground.protocol import ChatStats, ToolCall
from playground.talks.answers import begin, call, end, extend, result
from playground.talks.columns import (
    Conversation,
    ask,
    branched,
    conversation,
    next_waiting,
    on_tree,
    put_column,
    replay,
    request,
    settled,
    show,
)
from playground.talks.reading import messages
from playground.talks.records import from_json, to_json
from playground.talks.tree import Tree, versions
from playground.talks.versions import choose, edit, go_on, leaf_through, regenerate, take_back, undo

COLUMN = st.integers(0, 2)
PICK = st.integers(0, 10_000)


class Talking(RuleBasedStateMachine):
    """Every reply of a model holds a mark of its column, every question a mark of its own."""

    talk: Conversation

    @initialize()
    def start(self) -> None:
        self.talk = conversation(["phi", "mistral", "phi"])
        self.marks = 0
        # For each column, the path before every step, as a person would note it down.
        self.before: list[list[tuple[int, ...]]] = [[], [], []]
        self.ever: list[dict[int, tuple[object, ...]]] = [{}, {}, {}]

    def mark(self, what: str) -> str:
        self.marks += 1
        return f"<{what} {self.marks}>"

    def tree(self, i: int) -> Tree:
        return self.talk.columns[i].tree

    def ids(self, i: int) -> tuple[int, ...]:
        return tuple(node.id for node in self.tree(i).path)

    def idle(self, i: int) -> bool:
        leaf = self.tree(i).leaf
        return i < self.talk.shown and (not leaf or self.tree(i).node(leaf).state != "running")

    def stepped(self, i: int, new: Conversation) -> None:
        """Takes the new state, and notes the former path of this column where the step moved it."""
        old = self.ids(i)
        self.talk = new
        if self.ids(i) != old:
            self.before[i].append(old)

    # --- what a user does ---

    @rule(to=st.none() | COLUMN, picture=st.booleans())
    def send(self, to: int | None, picture: bool) -> None:
        targets = range(self.talk.shown) if to is None else [to]
        if not all(self.idle(i) for i in targets):
            return
        for i in targets:
            self.before[i].append(self.ids(i))
        self.talk = ask(self.talk, self.mark("question"), to, images=[b"\x89PNG\xff"] if picture else [])

    @rule(i=COLUMN, pick=PICK)
    def regenerate(self, i: int, pick: int) -> None:
        path = self.tree(i).path
        if i < self.talk.shown and path:
            at = path[pick % len(path)].id if pick % 3 else None
            self.stepped(i, on_tree(self.talk, i, lambda tree: regenerate(tree, f"model {i}", at)))

    @rule(i=COLUMN, from_reasoning=st.booleans())
    def go_on(self, i: int, from_reasoning: bool) -> None:
        tree = self.tree(i)
        last = tree.node(tree.leaf) if tree.leaf else None
        if self.idle(i) and last and last.role == "assistant" and not last.tool_calls:
            text = last.reasoning if from_reasoning else last.reasoning + last.content
            if text:
                self.stepped(i, on_tree(self.talk, i, lambda tree: go_on(tree, "m", from_reasoning=from_reasoning)))

    @rule(i=COLUMN, pick=PICK)
    def edit(self, i: int, pick: int) -> None:
        nodes = [n for n in self.tree(i).nodes if n.role != "tool" and n.state != "running"]
        if i < self.talk.shown and nodes:
            node = nodes[pick % len(nodes)]
            text = self.mark(f"column {i} edited" if node.role == "assistant" else "question")
            self.stepped(i, on_tree(self.talk, i, lambda tree: edit(tree, node.id, text)))

    @rule(i=COLUMN, pick=PICK, by=st.integers(-2, 2))
    def leaf_through(self, i: int, pick: int, by: int) -> None:
        nodes = self.tree(i).nodes
        if i < self.talk.shown and nodes:
            at = pick % len(nodes) + 1
            change = choose if by == 2 else lambda tree, node_id: leaf_through(tree, node_id, by)
            self.stepped(i, on_tree(self.talk, i, lambda tree: change(tree, at)))

    @rule(i=COLUMN)
    def take_back(self, i: int) -> None:
        if i < self.talk.shown:
            self.stepped(i, on_tree(self.talk, i, take_back))

    @rule(i=COLUMN)
    def undo(self, i: int) -> None:
        if i >= self.talk.shown:
            return
        old = self.tree(i)
        self.talk = on_tree(self.talk, i, undo)
        if self.before[i]:
            former = self.before[i].pop()
            # The answers of a step belong to it: with a question goes its answer, with a version what was begun in it.
            assert self.ids(i) == former
        else:
            assert self.tree(i) == old

    @rule(source=COLUMN, onto=COLUMN)
    def replay(self, source: int, onto: int) -> None:
        if max(source, onto) < self.talk.shown and any(n.role == "user" for n in self.tree(source).path):
            self.stepped(onto, replay(self.talk, source, onto))

    @rule(i=COLUMN)
    def next_waiting(self, i: int) -> None:
        if self.idle(i) and self.talk.columns[i].waiting:
            self.stepped(i, next_waiting(self.talk, i))

    @rule(count=st.integers(1, 3))
    def show(self, count: int) -> None:
        self.talk = show(self.talk, count, "phi")

    # --- what models do ---

    @rule(i=COLUMN)
    def begin(self, i: int) -> None:
        tree = self.tree(i)
        if self.idle(i) and tree.leaf and tree.node(tree.leaf).role != "assistant":
            self.talk = on_tree(self.talk, i, lambda tree: begin(tree, f"model {i}"))

    @rule(to=st.none() | COLUMN, how=st.sampled_from(["done", "stopped", "failed", "tool"]))
    def exchange(self, to: int | None, how: str) -> None:
        """A question and its answers whole, so that conversations get long."""
        self.send(to, picture=False)
        for i in range(3):
            self.begin(i)
        for _ in range(sum(len(self.running(i)) for i in range(3))):
            self.extend(0, thought=False, text="")
            self.end(0, how)

    def running(self, i: int) -> list[int]:
        return [n.id for n in self.tree(i).running] if i < self.talk.shown else []

    @precondition(lambda self: any(self.running(i) for i in range(3)))
    @rule(pick=PICK, thought=st.booleans(), text=st.text(max_size=3))
    def extend(self, pick: int, thought: bool, text: str) -> None:
        every = [(i, node_id) for i in range(3) for node_id in self.running(i)]
        i, at = every[pick % len(every)]
        said = self.mark(f"column {i} said") + text
        self.talk = on_tree(self.talk, i, lambda tree: extend(tree, at, said, "reasoning" if thought else "answer"))

    @precondition(lambda self: any(self.running(i) for i in range(3)))
    @rule(pick=PICK, how=st.sampled_from(["done", "stopped", "failed", "tool"]))
    def end(self, pick: int, how: str) -> None:
        every = [(i, node_id) for i in range(3) for node_id in self.running(i)]
        i, at = every[pick % len(every)]
        wish = ToolCall(f"call {self.marks}", "add", self.mark(f"column {i} said"), 0.25)
        stats = ChatStats(ttft_s=0.1, completion_tokens=self.marks)

        def ended(tree: Tree) -> Tree:
            if how == "tool":
                tree = call(tree, at, wish)
            tree = end(tree, at, stats=stats, stopped=how == "stopped", error="Broke." if how == "failed" else "")
            return result(tree, wish, self.mark(f"column {i} said")) if how == "tool" and tree.leaf == at else tree

        self.talk = on_tree(self.talk, i, ended)

    @rule()
    def restart(self) -> None:
        self.talk = settled(from_json(to_json(self.talk)))

    @rule(i=COLUMN, pick=PICK)
    def branch(self, i: int, pick: int) -> None:
        """A branch reads like the conversation it was cut from, and its own life does not touch it."""
        nodes = [n for n in self.tree(i).nodes if n.state != "running"]
        if i < self.talk.shown and nodes:
            at = nodes[pick % len(nodes)].id
            cut = branched(self.talk, i, at)
            assert request(cut, 0).messages == messages(self.tree(i), at)
            assert from_json(to_json(cut)) == cut

    # --- what always holds ---

    @invariant()
    def no_column_reads_another(self) -> None:
        for i in range(3):
            column = self.talk.columns[i]
            for node_id in [column.tree.leaf or None, *self.running(i)]:
                read = repr(messages(column.tree, node_id))
                for other in {0, 1, 2} - {i}:
                    assert f"<column {other} " not in read
            assert not any("<column" in turn.content for turn in column.waiting)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every turn that ever was is still there with its text, and can be reached by leafing through versions."""
        for i in range(3):
            tree = self.tree(i)
            for node_id, (role, parent, content) in self.ever[i].items():
                node = tree.node(node_id)
                assert (node.role, node.parent) == (role, parent)
                assert node.content.startswith(str(content))
                assert node_id in versions(tree, node_id)
            self.ever[i] = {n.id: (n.role, n.parent, n.content) for n in tree.nodes}

    @invariant()
    def json_is_the_identity(self) -> None:
        assert from_json(to_json(self.talk)) == self.talk

    @invariant()
    def what_is_read_is_a_conversation(self) -> None:
        """Users and assistants take turns, every call has its result, and it ends where the path ends."""
        for i in range(3):
            tree = self.tree(i)
            read = messages(tree)
            assert [m.role for m in read[:1]] in ([], ["user"])
            for one, two in pairwise(read):
                assert (one.role, two.role) in {
                    ("user", "assistant"),
                    ("assistant", "user"),
                    ("assistant", "tool"),
                    ("tool", "tool"),
                    ("tool", "assistant"),
                }
            called = [w.id for m in read for w in m.tool_calls]
            assert called == [m.tool_call_id for m in read if m.role == "tool"]
            last = tree.node(tree.leaf) if tree.leaf else None
            if last and last.role == "user":
                assert read[-1].content == last.content


Talking.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTalking = Talking.TestCase


def test_a_column_of_one_model_is_put_back_unchanged() -> None:
    talk = ask(conversation(["a", "b"]), "Hi")
    assert put_column(talk, 1, talk.columns[1]) == talk
