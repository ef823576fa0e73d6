"""The steps of a pickle file that build arrays, numbers and text, taken without calling anything.

To unpickle is to call whatever functions a file names. Here the steps of the file are only read, by the standard
library's `pickletools`, and what they would call is written down as a `Call`. So nothing that a file names is ever
imported, looked up or run.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any, NoReturn

from ganvas.errors import UserError

MOST_STEPS = 2_000_000  # a batch of 50,000 pictures takes 400,000, in the wordiest protocol 800,000
LONGEST_WORD = 100  # so that a file cannot ask for work without end by naming one long text again and again

_FUNCTIONS = {
    "_codecs.encode",  # bytes in the protocols 0 to 2
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.ndarray",
}
_VALUES = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE"}
_VALUES |= {"SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(frozen=True, slots=True)
class Function:
    """What unpickling would look up; one of `_FUNCTIONS`."""

    name: str


@dataclass(slots=True, eq=False)
class Call:
    """What unpickling would call, and the state that it would then set."""

    function: str
    arguments: tuple[Any, ...]
    state: Any = None


class Steps:
    """Takes the steps that build data and writes down the calls; whatever else a pickle can do is refused."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stack as it was at each mark
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """What the file builds.

        Raises:
            UserError: a step that builds neither arrays nor numbers nor text.
            ValueError, LookupError: the steps make no sense.
        """
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count > MOST_STEPS:
                raise ValueError(f"it takes more than {MOST_STEPS:,} steps to read")
            if opcode.name in _VALUES:
                self.stack.append(argument)
            elif opcode.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
                self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
            else:
                self._step(opcode.name, argument)
        return self.stack.pop()

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(self.memo[argument])
            case "BINSTRING" | "SHORT_BINSTRING":  # the str of Python 2
                stack.append(argument.encode("latin-1"))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[name])
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(name[-1]))]
                stack.append(tuple(reversed(items)))
            case "TUPLE" | "EMPTY_TUPLE":
                items = self._marked() if name == "TUPLE" else []
                self.stack.append(tuple(items))
            case "LIST" | "EMPTY_LIST":
                items = self._marked() if name == "LIST" else []
                self.stack.append(items)
            case "DICT" | "EMPTY_DICT":
                items = self._marked() if name == "DICT" else []
                self.stack.append(_filled({}, items))
            case "APPEND" | "APPENDS":
                items = self._marked() if name == "APPENDS" else [stack.pop()]
                as_list(self.stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._marked() if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
                _filled(as_dict(self.stack[-1]), items)
            case "GLOBAL":
                self._name(*argument.split(" ", 1))
            case "STACK_GLOBAL":
                function, module = stack.pop(), stack.pop()
                self._name(module, function)
            case "REDUCE":
                arguments, called = stack.pop(), stack.pop()
                if type(called) is not Function or type(arguments) is not tuple:
                    self._refuse("a call of what is no function")
                stack.append(Call(called.name, arguments))
            case "BUILD":
                state = stack.pop()
                if type(stack[-1]) is not Call:
                    self._refuse("a state of what is no array")
                stack[-1].state = state
            case _:
                self._refuse(f"the opcode {name}")

    def _marked(self) -> list[Any]:
        """What lies above the last mark, which is taken away."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def _name(self, module: object, function: object) -> None:
        name = f"{module}.{function}" if type(module) is type(function) is str else "a name that is no text"
        known = name.replace("numpy._core.", "numpy.core.", 1)  # its name since NumPy 2
        if known not in _FUNCTIONS:
            self._refuse(ascii(name)[1:-1][:80])
        self.stack.append(Function(known))

    def _refuse(self, what: str) -> NoReturn:
        raise UserError(
            f"{self.where} holds something other than arrays, numbers and text ({what}): it may be hostile and is not "
            "opened."
        )


def _filled(target: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[as_word(key)] = value
    return target


def as_list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError("it is no list")
    return value


def as_dict(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError("it is no dictionary")
    return value


def as_word(value: Any) -> str:
    text = value.arguments[0] if type(value) is Call and value.arguments else value
    if type(text) not in (str, bytes) or len(text) > LONGEST_WORD:
        raise ValueError("it is no short text")
    return as_bytes(value).decode()


def as_bytes(value: Any) -> bytes:
    """Text or bytes, as Python 2 or any protocol of Python 3 writes them."""
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case str():
            return value.encode()
        case Call("_codecs.encode", (str(text), "latin1" | "latin-1")):
            return text.encode("latin-1")
        case _:
            raise ValueError("it is no text")
