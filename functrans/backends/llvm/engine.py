"""From LLVM's text to machine code in this process. Imports `half`, `kept`, `disk_cache` and `target`; start reading at `made`.

No LLVM pass pipeline is run: the text is written with vectors and without redundancy, and only code generation is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

from functrans.backends.llvm import kept
from functrans.backends.llvm.disk_cache import key_of, store
from functrans.backends.llvm.half import half_conversions
from functrans.backends.llvm.image import Image, Library, placed
from functrans.backends.llvm.ir import LIGHT
from functrans.backends.llvm.linker import linked
from functrans.backends.llvm.target import Target, host
from functrans.core.locks import fork_safe

if TYPE_CHECKING:
    from llvmlite import binding

__all__ = [
    "Library",
    "assembly",
    "keep_object",
    "load",
    "load_object",
    "loaded",
    "made",
    "object_code",
    "object_file",
]

_OPTION = "-optimize-regalloc={}"
"""LLVM allots registers well at the lowest level too: code that uses vectors gains by nothing else. It holds for the process;
what others compile at a higher level is as before. What is light is compiled without: in a fifth of the time, 1 for 6 ms."""
_RELOCATION, _CODE_MODEL = "pic", "small"
"""Constants lie near the code, so that an instruction holds their place; the linker makes a way to far functions."""
_lock = fork_safe(Lock())
_count = iter(range(1 << 62))


def made(
    text: str, target: Target, exports: tuple[str, ...], symbols: Mapping[str, int]
) -> tuple[Library, Image | None]:
    """Compile a module for this machine and load it; with the image that it is, for the caller to keep. None where LLVM links it.

    Its object code is kept where no image can be.
    """
    code = object_code(text, target)
    library, image = loaded(code, exports, symbols)
    if image is None or not kept.is_open():
        keep_object(text, target, code)
    return library, image


def load(text: str, target: Target, exports: tuple[str, ...], symbols: Mapping[str, int] | None = None) -> Library:
    """Compile a module for this machine and load it; `symbols` are addresses that it refers to by name."""
    return load_object(object_code(text, target), exports, symbols)


def load_object(code: bytes, exports: tuple[str, ...], symbols: Mapping[str, int] | None = None) -> Library:
    """Load object code that `object_code` made for this machine."""
    return loaded(code, exports, symbols or {})[0]


def loaded(code: bytes, exports: tuple[str, ...], symbols: Mapping[str, int]) -> tuple[Library, Image | None]:
    """The same, and the image that it is; None where LLVM has to link it."""
    image = linked(code)
    if image is not None:
        try:
            return placed(image, symbols), image
        except (OSError, AttributeError):  # a system that refuses, a symbol that it does not have
            pass
    return _by_llvm(code, exports, symbols), None


def _by_llvm(code: bytes, exports: tuple[str, ...], symbols: Mapping[str, int]) -> Library:
    """Loaded by LLVM's linker, which knows all kinds of object code."""
    from llvmlite import binding

    builder = binding.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name, address in symbols.items():
        builder.import_symbol(name, address)
    for name in exports:  # exported here: a tracker that a later lookup gives would unload the code when it dies
        builder.export_symbol(name)
    with _lock:
        tracker = builder.link(_engine(), f"functrans{next(_count)}")
    return Library({name: int(tracker[name]) for name in exports}, tracker.close)


def object_code(text: str, target: Target) -> bytes:
    """A module as object code for a target: from disk, if it is kept there."""
    text, files = _complete(text, target), store()
    code = None if files is None else files.get(_key(text, target))
    return _compiled(text, target) if code is None else code


def keep_object(text: str, target: Target, code: bytes) -> None:
    """Let later processes find the object code of a module."""
    files, key = store(), _key(_complete(text, target), target)
    if files is not None and files.get(key) is None:
        files.put(key, code)


def _key(text: str, target: Target) -> str:
    return key_of((text, target.triple, target.cpu, target.features, _compiler()))


@cache
def _compiler() -> str:
    """What makes object code of a text, from which all else follows."""
    from llvmlite import __version__, binding

    return f"llvmlite {__version__}, LLVM {binding.llvm_version_info}, {_OPTION} {_RELOCATION} {_CODE_MODEL}"


def _compiled(text: str, target: Target) -> bytes:
    with _lock:
        machine = _machine(target, _level(text))
        with _registers(well=not text.startswith(LIGHT)):
            # No name for the module: it is to go before the lock does, as LLVM has one of its own.
            return bytes(machine.emit_object(_parsed(text, target, machine)))


@contextmanager
def _registers(*, well: bool) -> Iterator[None]:
    """Say how registers are allotted, and that they are allotted well again afterwards."""
    from llvmlite import binding

    if well:
        yield
        return
    binding.set_option("functrans", _OPTION.format("false"))
    try:
        yield
    finally:
        binding.set_option("functrans", _OPTION.format("true"))


def object_file(texts: Sequence[str], target: Target) -> bytes:
    """Modules as one object file, which can be linked into programs and into shared libraries."""
    with _lock:
        machine = _machine(target, max(map(_level, texts)))
        whole = _complete("".join(texts), target).removeprefix("".join(texts))  # once, for all of them
        first, *others = (_parsed(text, target, machine) for text in [texts[0] + whole, *texts[1:]])
        for other in others:
            first.link_in(other)
        return bytes(machine.emit_object(first))


def assembly(text: str, target: Target) -> str:
    """A module as assembly for a target."""
    with _lock:
        machine = _machine(target, _level(text))
        return str(machine.emit_assembly(_parsed(_complete(text, target), target, machine)))


def _complete(text: str, target: Target) -> str:
    """With the functions that LLVM calls by name where the machine lacks an instruction."""
    return text + half_conversions(target) if " half" in text else text


def _parsed(text: str, target: Target, machine: binding.TargetMachine) -> binding.ModuleRef:
    from llvmlite import binding

    module = binding.parse_assembly(text)
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    return module


def _level(text: str) -> int:
    """Of code generation: some functions are to be optimised if others are left out."""
    return int(" optnone " in text)


@cache
def _set_option() -> None:
    from llvmlite import binding

    binding.set_option("functrans", _OPTION.format("true"))


@cache
def _machine(target: Target, level: int) -> binding.TargetMachine:
    """What generates code."""
    from llvmlite import binding

    _set_option()
    if target.triple == host().triple:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
    else:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc=_RELOCATION, codemodel=_CODE_MODEL, jit=True
    )


@cache
def _engine() -> binding.LLJIT:
    from llvmlite import binding

    return binding.create_lljit_compiler(_machine(host(), 0), use_jit_link=True)
