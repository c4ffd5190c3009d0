"""A convolution by Winograd's sums, stage by stage, each in parts for threads: start reading at `write`.

`places`: windows are transformed first. Then block by block images are, products are taken, and the results transformed back.
`taps`: block by block both images are transformed, and products added up; the sums are transformed last. A stage consists of
units, of which each part has as many as another: so what is computed does not depend on the number of threads.
Imports the plan, the transforms and the copies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import State
from functrans.backends.llvm.kernels.winograd.copies import gather, gather_rows, scatter
from functrans.backends.llvm.kernels.winograd.matrices import Matrix, cook_toom
from functrans.backends.llvm.kernels.winograd.plan import CHAIN, TOGETHER, Kind, Picture, Plan, up
from functrans.backends.llvm.kernels.winograd.points import Products, call_points
from functrans.backends.llvm.kernels.winograd.transforms import Tile, call_transform
from functrans.backends.llvm.threads.chunks import call_chunks
from functrans.record import Record

__all__ = ["write"]


class _Stage(Record):
    name: str
    units: Callable[[_Part], Value]
    write: Callable[[_Part, Value, Value], None]
    """The units from one to another."""


def write(f: Function, plan: Plan, pointers: Sequence[Value], parallel: Value, finish: Function | None = None) -> None:
    """The whole convolution; the pointers are those of the operands, the result and the scratch memory. With an epilogue, whose
    function is `finish`, its state is in place of the result.
    """
    before, during, after = _STAGES[plan.kind]
    run = _Runner(f, plan, pointers, parallel, finish).run
    for stage in before:
        run(stage, f.index(0))
    with f.loop(0, plan.all_bands, plan.block) as loop:
        for stage in during:
            run(stage, loop.index)
    for stage in after:
        run(stage, f.index(0))


class _Runner(Record):
    f: Function
    plan: Plan
    pointers: Sequence[Value]
    parallel: Value
    finish: Function | None

    def run(self, stage: _Stage, first: Value) -> None:
        """A stage of the block of bands from one on."""
        f = self.f
        chunk = _part_function(f.module, f"{f.name}_{stage.name}", self.plan, stage, self.finish)
        number = f.offset(f.null(), first, I8)
        call_chunks(f, chunk, [*self.pointers, number], self.plan.parts, self.parallel)


_POINTERS = 4


def _part_function(module: Module, name: str, plan: Plan, stage: _Stage, finish: Function | None) -> Function:
    """`(pointers, chunk)`: the last pointer is no place, but the number of the block's first band."""
    f = Function(module, name, [("pointers", PTR), ("chunk", I64)])
    table, chunk = f.args
    *given, number = [f.load(f.offset(table, i, PTR), PTR) for i in range(_POINTERS + 1)]
    part = _Part(f, plan, given, finish, f.cast("ptrtoint", number, I64), chunk)
    units = stage.units(part)
    each = f.integer("sdiv", units + (plan.parts - 1), plan.parts)
    start = f.minimum(chunk * each, units)
    stage.write(part, start, f.minimum(start + each, units))
    f.ret()
    return f


class _Part:
    """Of a stage of a block of bands."""

    def __init__(
        self, f: Function, plan: Plan, pointers: Sequence[Value], finish: Function | None, first: Value, chunk: Value
    ) -> None:
        self.f, self.plan, self.finish = f, plan, finish
        self.left, self.right, self.out, scratch = pointers
        self.matrices = tuple(f.offset(scratch, place, I8) for place in plan.regions[:3])
        self.room = f.offset(f.offset(scratch, plan.regions.room, I8), chunk * plan.room, F32)
        self.first = first
        self.count = f.minimum(plan.all_bands - first, f.index(plan.block))

    # ---- the products ----

    def points(self, start: Value, stop: Value) -> None:
        f, plan = self.f, self.plan
        tiles, channels = self.count * plan.tiles, f.index(plan.channels)
        by_places = plan.kind == "places"
        steps = (plan.left_row, 1) if by_places else (1, plan.left_row)
        rows, depth = (tiles, channels) if by_places else (channels, tiles)
        add = f.index(0) if by_places else self.first
        panels = plan.out_row // plan.width
        left, right, out = self.matrices
        given = Products(left, right, out, plan.apart, *steps, plan.out_row, rows, depth, CHAIN[plan.size], panels)
        call_points(f, plan.ring, given, add, start, stop)

    # ---- images ----

    def inputs(self, start: Value, stop: Value) -> None:
        """Of each band, vector by vector of features, the tiles."""
        f, plan = self.f, self.plan
        matrix = cook_toom(plan.places, plan.taps).input
        size = (plan.grid[0] * plan.places + plan.taps - 1, plan.grid[1] * plan.places + plan.taps - 1)
        with f.loop(start, stop) as loop:
            band, block = self._unit(loop.index, plan.left_row // plan.lanes)
            image, tile_row = self._band(band)
            row = tile_row * (plan.places * plan.stride) - plan.before[0]
            of = f.offset(self.left, image * plan.left.steps[0], F32)
            gather_rows(f, plan, plan.left, of, block, row, size, self.room)
            to = f.offset(self.matrices[0], band * (plan.tiles * plan.left_row) + block * plan.lanes, F32)
            self._rows("input", matrix, size[1], to, plan.left_row, plan.apart[0])

    def windows_as_images(self, start: Value, stop: Value) -> None:
        """The same of images that are the windows; to panels, as deep as the block has tiles."""
        f, plan = self.f, self.plan
        matrix = cook_toom(plan.taps, plan.places).window
        size = plan.grid[0] * plan.places, plan.grid[1] * plan.places
        blocks = plan.width // plan.lanes
        with f.loop(start, stop) as loop:
            band, block = self._unit(loop.index, plan.out_row // plan.lanes)
            image, tile_row = self._band(band)
            of = f.offset(self.right, image * plan.right.steps[0], F32)
            shown = f.minimum(block, f.index((plan.outputs - 1) // plan.lanes))  # past the last, the last again
            gather_rows(f, plan, plan.right, of, shown, tile_row * plan.places, size, self.room)
            panel, within = f.integer("sdiv", block, blocks), f.integer("srem", block, blocks)
            row = panel * (self.count * plan.tiles) + band * plan.tiles
            to = f.offset(self.matrices[1], row * plan.width + within * plan.lanes, F32)
            self._rows("taps", matrix, size[1], to, plan.width, plan.apart[1])

    def _rows(self, name: str, matrix: Matrix, width: int, to: Value, next: int, apart: int) -> None:
        """The tiles of a band: each row of them at once."""
        f, plan, lanes = self.f, self.plan, self.plan.lanes
        rows, columns = plan.grid
        with f.loop(0, rows) as loop:
            source = f.offset(self.room, loop.index * (plan.places * width * lanes), F32)
            target = f.offset(to, loop.index * (columns * next), F32)
            of = Tile(source, width * lanes, lanes, plan.places * lanes)
            self._transform(name, matrix, of, Tile(target, len(matrix) * apart, apart, next), columns)

    def outputs(self, start: Value, stop: Value) -> None:
        """The results of each band, vector by vector of features, a row of tiles at a time."""
        f, plan, lanes = self.f, self.plan, self.plan.lanes
        matrix, (rows, columns), apart = cook_toom(plan.places, plan.taps).output, plan.grid, plan.apart[2]
        to = Tile(self.room, plan.out_columns * lanes, lanes, plan.places * lanes)
        with f.loop(start, stop) as loop:
            band, block = self._unit(loop.index, up(plan.outputs, lanes) // lanes)
            image, tile_row = self._band(band)
            source = f.offset(self.matrices[2], band * (plan.tiles * plan.out_row) + block * lanes, F32)
            with f.loop(0, rows) as line:
                row = (tile_row + line.index) * plan.places
                height = f.minimum(plan.out.sizes[2] - row, f.index(plan.places))
                with f.when(f.icmp("sgt", height, 0)):
                    of = f.offset(source, line.index * (columns * plan.out_row), F32)
                    self._transform("output", matrix, Tile(of, plan.size * apart, apart, plan.out_row), to, columns)
                    self._put(image, block * lanes, row, height)

    def _put(self, image: Value, first: Value, row: Value, height: Value) -> None:
        """Some rows of the results to where they belong, or to the epilogue."""
        f, plan, finish = self.f, self.plan, self.finish
        _, outputs, high, wide = plan.out.sizes
        image_step, feature, down, place = plan.out.steps
        count = f.minimum(outputs - first, f.index(plan.lanes))
        if finish is None:
            target = f.offset(self.out, image * image_step + first * feature + row * down, F32)
            self._scatter(target, (feature, down, place), count, height)
            return
        table = f.load(State(f, self.out).table, PTR)
        if plan.is_beside:
            with f.loop(0, height) as line:
                of = f.offset(self.room, line.index * (plan.out_columns * plan.lanes), F32)
                number = (image * high + row + line.index) * wide
                f.call(finish, of, plan.lanes, number, first, f.index(wide), count, table)
            return
        near = f.offset(self.room, plan.places * plan.out_columns * plan.lanes, F32)
        self._scatter(near, (plan.near_row, wide, 1), count, height)
        f.call(finish, near, plan.near_row, image * outputs + first, row * wide, count, height * wide, table)

    def _scatter(self, to: Value, steps: tuple[int, int, int], count: Value, height: Value) -> None:
        """Features of some rows of the room to a place that has these steps along features, rows and columns."""
        f, plan, (feature, down, place) = self.f, self.plan, steps
        with f.loop(0, height) as line:
            of = f.offset(self.room, line.index * (plan.out_columns * plan.lanes), F32)
            there = f.offset(to, line.index * down, F32)
            scatter(f, plan.ring, plan.lanes, of, count, plan.out.sizes[3], there, (feature, place))

    # ---- windows ----

    def windows(self, start: Value, stop: Value) -> None:
        """Of each panel of output features, some input features at a time."""
        f, plan, width = self.f, self.plan, self.plan.width
        matrix, apart, s = cook_toom(plan.places, plan.taps).window, plan.apart[1], plan.stride
        outer, inner, _, _ = plan.right.steps
        each, tap = plan.window_steps
        with f.loop(start, stop) as loop:
            panel, first, count = self._inputs(loop.index)
            if plan.side > plan.right.sizes[2]:
                f.fill(self.room, 0, f.index(plan.together * plan.side**2 * width * plan.ring.bytes))
            of = f.offset(self.right, panel * (width * outer) + first * inner, F32)
            self._gather_windows(of, f.minimum(plan.outputs - panel * width, f.index(width)), count)
            target = f.offset(self.matrices[1], (panel * plan.channels + first * s**2) * width, F32)
            with f.loop(0, count) as feature, f.loop(0, s) as row, f.loop(0, s) as column:
                place = feature.index * each + (row.index * plan.side + column.index) * tap
                channel = (feature.index * s + row.index) * s + column.index
                first_tap, down = f.offset(self.room, place * width, F32), s * plan.side * tap * width
                to = Tile(f.offset(target, channel * width, F32), plan.size * apart, apart, plan.lanes)
                source = Tile(first_tap, down, s * tap * width, plan.lanes)
                self._transform("window", matrix, source, to, width // plan.lanes)

    def _gather_windows(self, of: Value, features: Value, count: Value) -> None:
        """The windows of some input features, of a panel's output features, into the room."""
        f, plan, width = self.f, self.plan, self.plan.width
        outer, inner, down, step = plan.right.steps

        def move(of: Value, to: Value, k: Value | int) -> None:
            gather(f, plan.ring, width, of, (outer, step), features, k, to)

        if plan.is_by_taps:
            with f.loop(0, plan.right.sizes[2]) as row, f.loop(0, plan.right.sizes[3]) as column:
                here = f.offset(of, row.index * down + column.index * step, F32)
                to = (row.index * plan.side + column.index) * (plan.together * width)
                gather(f, plan.ring, width, here, (outer, inner), features, count, f.offset(self.room, to, F32))
        else:
            self._squares(plan.right, inner, of, count, width, move)

    def gradient(self, start: Value, stop: Value) -> None:
        """Of each vector of output features, some input features at a time."""
        f, plan, lanes = self.f, self.plan, self.plan.lanes
        matrix, apart, s = cook_toom(plan.taps, plan.places).output, plan.apart[2], plan.stride
        inner, outer, _, step = plan.out.steps
        with f.loop(start, stop) as loop:
            block, first, count = self._inputs(loop.index)
            source = f.offset(self.matrices[2], first * (s**2 * plan.out_row) + block * lanes, F32)
            with f.loop(0, s) as row, f.loop(0, s) as column:
                phase, place = (row.index * n + column.index for n in (s, plan.side))
                of = f.offset(source, phase * plan.out_row, F32)
                to = Tile(
                    f.offset(self.room, place * lanes, F32), s * plan.side * lanes, s * lanes, plan.side**2 * lanes
                )
                tile = Tile(of, plan.size * apart, apart, s**2 * plan.out_row)
                self._transform("sums", matrix, tile, to, count)
            features = f.minimum(plan.outputs - block * lanes, f.index(lanes))

            def move(to: Value, of: Value, k: Value | int, features: Value = features) -> None:
                scatter(f, plan.ring, lanes, of, features, k, to, (outer, step))

            target = f.offset(self.out, block * (lanes * outer) + first * inner, F32)
            self._squares(plan.out, inner, target, count, lanes, move)

    def _squares(
        self, picture: Picture, inner: int, at: Value, count: Value, width: int, move: Callable[..., None]
    ) -> None:
        """Between memory, where the windows of `count` input features are so far apart, and the room, where they are squares of
        places: `move(memory, room, places)` for runs that lie so in both."""
        f, size, (_, _, down, along), side = self.f, picture.sizes[2], picture.steps, self.plan.side
        square = side * side
        if size == side and (down, inner) == (size * along, square * along):
            move(at, self.room, count * square)
            return
        with f.loop(0, count) as feature:
            there, here = (
                f.offset(at, feature.index * inner, F32),
                f.offset(self.room, feature.index * (square * width), F32),
            )
            if size == side and down == size * along:
                move(there, here, square)
                return
            with f.loop(0, size) as row:
                move(f.offset(there, row.index * down, F32), f.offset(here, row.index * (side * width), F32), size)

    # ---- units ----

    def _unit(self, index: Value, within: int) -> tuple[Value, Value]:
        return self.f.integer("sdiv", index, within), self.f.integer("srem", index, within)

    def _band(self, band: Value) -> tuple[Value, Value]:
        """The image, and the row of tiles there that a band of the block begins with."""
        image, number = self._unit(self.first + band, self.plan.bands)
        return image, number * self.plan.grid[0]

    def _inputs(self, index: Value) -> tuple[Value, Value, Value]:
        """A panel or a vector, and the first input feature and how many."""
        outer, number = self._unit(index, -(-self.plan.inputs // TOGETHER))
        first = number * TOGETHER
        return outer, first, self.f.minimum(self.plan.inputs - first, self.f.index(TOGETHER))

    def _transform(self, name: str, matrix: Matrix, of: Tile, to: Tile, count: Value | int) -> None:
        name = f"{name}_{self.plan.places}_{self.plan.taps}"
        call_transform(self.f, self.plan.ring, name, matrix, of, to, count)


# ---- the stages ----


def _by_vectors(part: _Part, features: int) -> Value:
    return part.count * -(-features // part.plan.lanes)


def _by_inputs(part: _Part, outer: int) -> Value:
    return part.f.index(outer * -(-part.plan.inputs // TOGETHER))


_INPUTS = _Stage("inputs", lambda part: _by_vectors(part, part.plan.left_row), _Part.inputs)
_WINDOWS = _Stage("windows", lambda part: _by_inputs(part, part.plan.out_row // part.plan.width), _Part.windows)
_IMAGES = _Stage("windows", lambda part: _by_vectors(part, part.plan.out_row), _Part.windows_as_images)
_POINTS = _Stage(
    "points", lambda part: part.f.index(part.plan.size**2 * part.plan.out_row // part.plan.width), _Part.points
)
_OUTPUTS = _Stage("outputs", lambda part: _by_vectors(part, part.plan.outputs), _Part.outputs)
_GRADIENT = _Stage("outputs", lambda part: _by_inputs(part, -(-part.plan.outputs // part.plan.lanes)), _Part.gradient)

_STAGES: dict[Kind, tuple[tuple[_Stage, ...], ...]] = {
    "places": ((_WINDOWS,), (_INPUTS, _POINTS, _OUTPUTS), ()),
    "taps": ((), (_INPUTS, _IMAGES, _POINTS), (_GRADIENT,)),
}
"""What is done once before all blocks, for each block, and after them."""
