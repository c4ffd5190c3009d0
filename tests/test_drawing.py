"""functrans.draw: what stands on boxes and wires, where they stand, what is folded, and what is refused."""

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import functrans as ft
from functrans.drawing.circuit import circuit_of, shown
from functrans.drawing.folding import folded
from functrans.drawing.layout import layout
from functrans.drawing.numbers import numbers_of
from functrans.errors import MissingPackageError, ParameterError
from tests.marks import native

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str, kind: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}text") if element.get("class") == kind]


def test_the_circuit_of_the_course() -> None:
    """f = (x + y) z at (-2, 5, -4): values in green, gradients in red."""
    picture = ft.draw(lambda x, y, z: (x + y) * z, *np.array([-2.0, 5.0, -4.0]), gradients=True)
    assert texts(picture, "title") == ["x", "y", "z", "+", "×", "out"]
    assert Counter(texts(picture, "value")) == Counter(["-2", "5", "3", "-4", "-12"])
    assert Counter(texts(picture, "gradient")) == Counter(["-4", "-4", "-4", "3", "1"])


def test_what_flows_in_several_wires_adds_up() -> None:
    """x feeds a product twice and a sum: the gradients of its wires sum to that of x."""
    f = lambda x: x * np.sin(x) + x
    jaxpr = ft.make_jaxpr(f)(np.float64(2.0))
    numbers = numbers_of(jaxpr, [np.array(2.0)], True)
    (x,) = jaxpr.invars
    uses = [(number, i) for number, eqn in enumerate(jaxpr.eqns) for i, atom in enumerate(eqn.invars) if atom is x]
    assert len(uses) == 3
    np.testing.assert_allclose(sum(numbers.by_use[use] for use in uses), ft.grad(f)(2.0), rtol=1e-12)
    np.testing.assert_allclose(numbers.values[jaxpr.eqns[0].outvars[0]], np.sin(2.0), rtol=1e-12)


def loss(params: Any, x: Any) -> Any:
    for w, b in params:
        x = np.tanh(x @ w + b)
    return np.mean(x**2)


PARAMS = [(np.eye(4, 3), np.zeros(3)), (np.eye(3, 2), np.zeros(2))]
X = np.ones((5, 4))


def test_boxes_tell_type_and_source() -> None:
    picture = ft.draw(loss, PARAMS, X)
    assert {"params[0][0]", "params[1][1]", "x", "tanh", "out"} <= {*texts(picture, "title")}
    assert "f64[5,3]" in texts(picture, "type")
    tooltips = [element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}title")]
    assert any("test_drawing.py" in text and "np.tanh(x @ w + b)" in text for text in tooltips)
    assert not texts(picture, "value")


@native
def test_what_is_computed_together_has_one_colour() -> None:
    lowered = ft.jit(loss).lower(PARAMS, X)
    picture = ft.draw(lowered)
    colours = Counter(
        element.get("style") for element in ET.fromstring(picture).iter(f"{SVG}rect") if element.get("style")
    )
    assert len(colours) == len(lowered.stored)
    assert max(colours.values()) > 1
    assert {"params[0][0]", "x", "out"} <= {*texts(picture, "title")}


def test_loops_are_one_box_and_can_be_opened() -> None:
    def f(w: Any, xs: Any) -> Any:
        return ft.lax.scan(lambda h, x: (np.tanh(h @ w + x), None), np.zeros(3), xs)[0]

    closed, opened = (ft.draw(f, np.eye(3), np.ones((6, 3)), depth=depth) for depth in (0, 1))
    assert "scan" in texts(closed, "title")
    assert "tanh" not in texts(closed, "title")
    assert {"scan", "tanh", "+", "· dot"} <= {*texts(opened, "title")}
    assert ft.draw(ft.make_jaxpr(f)(np.eye(3), np.ones((6, 3))), depth=1).count("<path") == opened.count("<path")


def test_thousands_of_operations_become_few_boxes() -> None:
    def layer(x: Any, i: int) -> Any:
        return np.tanh(x @ np.eye(4)) * i

    def other(x: Any) -> Any:
        return np.sin(x) + np.cos(x)

    def many(x: Any) -> Any:
        for i in range(400):
            x = other(layer(x, i))
        return np.sum(x)

    jaxpr = ft.make_jaxpr(many)(np.ones((2, 4)))
    assert len(jaxpr.eqns) > 2000
    circuit = folded(circuit_of(jaxpr, ["x"], ["out"]), jaxpr, 50)
    assert len(circuit.boxes) <= 53
    assert all(wire.source < wire.target for wire in circuit.wires)
    assert sum(int(box.lines[0].split()[0]) for box in circuit.boxes if box.kind == "folded") <= len(jaxpr.eqns)
    few = ft.make_jaxpr(lambda x: other(layer(x, 1)))(np.ones((2, 4)))
    titles = [box.title for box in folded(circuit_of(few, ["x"], ["out"]), few, 3).boxes if box.kind == "folded"]
    assert [title.rpartition(".")[2] for title in titles] == ["layer", "other"]


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(
    st.lists(st.tuples(st.floats(10, 200), st.floats(10, 60)), min_size=n, max_size=n),
    st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1]), max_size=40 if n > 1 else 0),
)))  # fmt: skip
def test_boxes_do_not_overlap_and_wires_go_down(drawn: Any) -> None:
    sizes, wires = drawn
    places = layout(sizes, wires)
    for (a, b), ((wa, ha), (wb, hb)) in zip(combinations(places.centres, 2), combinations(sizes, 2), strict=True):
        apart = abs(a[0] - b[0]) >= (wa + wb) / 2 or abs(a[1] - b[1]) >= (ha + hb) / 2
        assert apart
    for (source, target), route in zip(wires, places.routes, strict=True):
        assert route[0] == places.centres[source]
        assert route[-1] == places.centres[target]
        heights = [y for _, y in route]
        assert heights == sorted(heights)
    for (x, y), (width, height) in zip(places.centres, sizes, strict=True):
        assert x - width / 2 >= -1e-6
        assert x + width / 2 <= places.size[0] + 1e-6
        assert y - height / 2 >= -1e-6
        assert y + height / 2 <= places.size[1] + 1e-6


def test_pictures_are_files_and_show_in_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = ft.draw(lambda x: x < 2, 1.0)
    assert picture._repr_svg_() == picture
    assert "&lt;" in picture
    picture.save(tmp_path / "less.svg")
    assert (tmp_path / "less.svg").read_text(encoding="utf-8") == picture
    jaxpr = ft.make_jaxpr(np.sin)(1.0)
    svg = jaxpr._repr_svg_()
    assert svg is not None
    assert svg.startswith("<svg")
    assert ft.jit(loss).lower(PARAMS, X)._repr_svg_() is not None
    monkeypatch.setitem(sys.modules, "igraph", None)
    assert jaxpr._repr_svg_() is None
    with pytest.raises(MissingPackageError, match=r"functrans\[draw\]"):
        ft.draw(np.sin, 1.0)


def test_nothing_is_drawn_as_nothing() -> None:
    assert "<svg" in ft.draw(lambda: ())
    assert "<svg" in ft.draw(lambda x: x, 1.0, values=True)


def test_what_cannot_be_computed_is_told() -> None:
    with pytest.raises(ParameterError, match="one real scalar"):
        ft.draw(np.sin, np.ones(2), gradients=True)
    with pytest.raises(ParameterError, match="0 values for 1 inputs"):
        ft.draw(ft.make_jaxpr(np.sin)(1.0), values=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(1 / 3), "0.333"), (np.int64(7), "7"), (np.bool_(True), "True"), (np.array([1.0, 2.0]), "[1, 2]"),
        (np.arange(100.0), "0 … 99"), (np.full(5, 3 + 4j), "|·| ≤ 5"), (np.zeros((0, 2)), ""),
    ],
)  # fmt: skip
def test_values_are_short(value: Any, text: str) -> None:
    assert shown(value) == text
