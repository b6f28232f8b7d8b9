"""Customers a segment has, or never has, by hand, whatever its rules say."""

from __future__ import annotations

import re
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.web.component.markup import text
from muster_console.web.editor.field import hint
from muster_console.web.editor.state import Editor
from muster_console.web.words import problem_line
from muster_core.catalog.type import Kind
from muster_core.rules.hidden import is_placeholder

_FIELDS = {"add": "always members", "remove": "never members"}
#: Longer lists stay in the YAML: a browser would be slow with them.
_MOST_SHOWN = 2_000


class Listed:
    """The two lists of an editor, one key a line."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        #: The field of each list, by its name in the definition.
        self.areas: dict[str, ui.textarea] = {}
        self._known = {name: self._keys(name) for name in _FIELDS}
        hint("After the rules, by key, one a line. Who stands in both lists is no member.")
        with Element("div").classes("m-names"):
            for name, label in _FIELDS.items():
                area = ui.textarea(label, value=self._written(name)).classes("m-field")
                area.props["input-class"] = "m-code-input"
                area.props["autogrow"] = True
                area.props["spellcheck"] = "false"
                area.props["input-style"] = "max-height: 220px"
                area.on("blur", lambda name=name: self.take(name))
                self.areas[name] = area
        self._said = text("", tag="pre").classes("m-problem-text")
        editor.on_text(self._follow)
        self._follow()

    def _keys(self, name: str) -> list[Any]:
        keys: list[Any] = self._editor.document.get("manual", {}).get(name, [])
        return keys

    def _hidden(self, name: str) -> list[Any]:
        """Return the placeholders of keys that whoever edits may not see; they stay whatever is typed."""
        return [key for key in self._keys(name) if is_placeholder(key)]

    def _written(self, name: str) -> str:
        keys = self._keys(name)
        if len(keys) > _MOST_SHOWN:
            return ""
        return "\n".join(str(key) for key in keys if not is_placeholder(key))

    def _hint(self, name: str, *, long: bool) -> str | None:
        """Return what is to be known of a list beyond what its field shows."""
        hidden = len(self._hidden(name))
        if long:
            return f"{len(self._keys(name))} customers: change them in the YAML"
        if hidden:
            who = "1 customer stands" if hidden == 1 else f"{hidden} customers stand"
            return f"{who} here whom you may not see, and stay; the YAML can take them out"
        return None

    def _follow(self) -> None:
        problems = []
        for name, area in self.areas.items():
            long = len(self._keys(name)) > _MOST_SHOWN
            area.set_enabled(not long)
            words = self._hint(name, long=long)
            if area.props.get("hint") != words:
                area.props["hint"] = words
            # what is being typed is not in the definition yet, and stays
            if self._keys(name) != self._known[name]:
                self._known[name] = self._keys(name)
                area.set_value(self._written(name))
        for problem in self._editor.judgement.problems:
            if problem.pointer.startswith("/manual"):
                problems.append(problem_line(problem))
        self._said.set_text("\n".join(problems))

    def _read(self, name: str, typed: str | None) -> list[Any]:
        """Return the keys a text means; those there already stay as they are written."""
        whole = self._editor.choices.key_type.kind is Kind.INTEGER
        before = {str(key): key for key in self._keys(name)}
        lines = (line.strip() for line in (typed or "").splitlines())
        typed_keys = [
            before.get(one, _key(one, whole=whole)) for one in dict.fromkeys(lines) if one
        ]
        return self._hidden(name) + typed_keys

    def take(self, name: str) -> None:
        """Take what stands in the field `name`, add or remove, into the definition."""
        if not self.areas[name].enabled:
            return
        keys = self._read(name, self.areas[name].value)
        if keys == self._keys(name):
            return
        manual = {**self._editor.document.get("manual", {}), name: keys}
        kept = {which: manual[which] for which in _FIELDS if manual.get(which)}
        self._editor.set_field("", "manual", kept, absent={})


def _key(written: str, *, whole: bool) -> str | int:
    return int(written) if whole and re.fullmatch(r"0|-?[1-9][0-9]{0,18}", written) else written
