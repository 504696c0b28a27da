"""Writes the source of one encoder and one decoder from a type's shape.

The generated names: `v` the value, `d` the bytes, `p` the position, `o` the list of encoded parts. Neighbouring fields
of fixed width share one `struct.Struct`; a u128 is two u64 there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import assert_never

from chain.scale_shapes import (
    ArrayShape,
    BoolShape,
    BytesShape,
    CompactShape,
    EnumShape,
    FixedBytesShape,
    NamedIndexShape,
    OptionShape,
    RecordShape,
    Shape,
    TextShape,
    TupleShape,
    UintShape,
    UnsupportedType,
    VecShape,
)

_LENGTH_MAX = 2**32 - 1
_FORMATS = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q", (4, True): "i", (8, True): "q"}


def size_min(shape: Shape) -> int:
    """Return the fewest bytes a value of this shape takes."""
    match shape:
        case UintShape():
            return shape.size
        case FixedBytesShape():
            return shape.length
        case ArrayShape():
            return shape.length * size_min(shape.inner)
        case TupleShape():
            return sum(size_min(item) for item in shape.items)
        case RecordShape():
            return sum(size_min(inner) for _, inner in shape.fields)
        case EnumShape():
            return 1 + min(size_min(record) for _, record in shape.variants)
        case CompactShape() | BoolShape() | NamedIndexShape() | BytesShape() | TextShape() | OptionShape() | VecShape():
            return 1
        case _:
            assert_never(shape)


def write_encoder(shape: Shape, names: dict[str, object]) -> str:
    """Return the source of `encode(v) -> bytes`; constants it needs are added to `names`."""
    writer = _Writer(names)
    writer.encode_value(shape, "v")
    return "def encode(v):\n    o = []\n" + "".join(writer.lines) + "    return b''.join(o)\n"


def write_decoder(shape: Shape, names: dict[str, object]) -> str:
    """Return the source of `decode(d, p) -> (value, end)`; constants it needs are added to `names`."""
    writer = _Writer(names)
    writer.decode_value(shape, "v")
    return "def decode(d, p):\n" + "".join(writer.lines) + "    return v, p\n"


class _Writer:
    """Collects the lines of one function body."""

    def __init__(self, names: dict[str, object]) -> None:
        self.names = names
        self.lines: list[str] = []
        self.depth = 1
        self.counter = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text + "\n")

    def fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def constant(self, prefix: str, value: object) -> str:
        name = f"{prefix}_{len(self.names)}"
        self.names[name] = value
        return name

    # ---- encoding

    def encode_value(self, shape: Shape, value: str) -> None:
        match shape:
            case UintShape() | FixedBytesShape():
                self.encode_run([(shape, value)])
            case CompactShape():
                self.line(f"if {value} >> {8 * shape.size}: raise ValueOutOfRange('a compact integer is out of range')")
                self.line(f"o.append(compact_bytes({value}))")
            case BoolShape():
                self.line(f"if {value} is not True and {value} is not False: raise ValueOutOfRange('not a bool')")
                self.line(f"o.append(b'\\x01' if {value} else b'\\x00')")
            case BytesShape():
                self.encode_count(value, shape.limit)
                self.line(f"o.append({value})")
            case TextShape():
                text = self.fresh("t")
                self.line(f"{text} = {value}.encode('utf-8')")
                self.encode_count(text, None)
                self.line(f"o.append({text})")
            case OptionShape():
                self.line(f"if {value} is None: o.append(b'\\x00')")
                self.line("else:")
                self.depth += 1
                self.line("o.append(b'\\x01')")
                self.encode_value(shape.inner, value)
                self.depth -= 1
            case VecShape() | ArrayShape():
                self.encode_items(shape, value)
            case TupleShape():
                self.line(f"if len({value}) != {len(shape.items)}: raise ValueOutOfRange('a tuple of wrong length')")
                self.encode_sequence([(item, f"{value}[{k}]") for k, item in enumerate(shape.items)])
            case RecordShape(fields=()):
                cls = self.constant("C", shape.cls)
                self.line(f"if type({value}) is not {cls}: raise ValueOutOfRange('not a {shape.cls.__name__}')")
            case RecordShape():
                self.encode_sequence([(inner, f"{value}.{name}") for name, inner in shape.fields])
            case NamedIndexShape():
                cls = self.constant("C", shape.cls)
                self.line(f"if type({value}) is not {cls}: raise ValueOutOfRange('not a {shape.cls.__name__}')")
                self.line(f"o.append(bytes(({value},)))")
            case EnumShape():
                self.encode_enum(shape, value)
            case _:
                assert_never(shape)

    def encode_count(self, value: str, limit: int | None) -> None:
        if limit is not None:
            self.line(f"if len({value}) > {limit}: raise LimitExceeded('more than {limit} items')")
        self.line(f"o.append(compact_bytes(len({value})))")

    def encode_items(self, shape: VecShape | ArrayShape, value: str) -> None:
        if isinstance(shape, VecShape):
            self.encode_count(value, shape.limit)
        else:
            self.line(f"if len({value}) != {shape.length}: raise ValueOutOfRange('not {shape.length} items')")
        item = self.fresh("i")
        self.line(f"for {item} in {value}:")
        self.depth += 1
        self.line("pass")  # for items without bytes
        self.encode_value(shape.inner, item)
        self.depth -= 1

    def encode_enum(self, shape: EnumShape, value: str) -> None:
        kind = self.fresh("k")
        self.line(f"{kind} = type({value})")
        keyword = "if"
        for index, record in shape.variants:
            cls = self.constant("C", record.cls)
            self.line(f"{keyword} {kind} is {cls}:")
            self.depth += 1
            self.line(f"o.append({bytes((index,))!r})")
            self.encode_value(record, value)
            self.depth -= 1
            keyword = "elif"
        self.line("else: raise ValueOutOfRange('not a variant: ' + " + f"{kind}.__name__)")

    def encode_sequence(self, fields: Sequence[tuple[Shape, str]]) -> None:
        for run in _runs(fields):
            if _is_packable(run[0][0]):
                self.encode_run(run)
            else:
                self.encode_value(*run[0])

    def encode_run(self, run: Sequence[tuple[Shape, str]]) -> None:
        arguments: list[str] = []
        for shape, value in run:
            if isinstance(shape, FixedBytesShape):
                self.line(f"if len({value}) != {shape.length}: raise ValueOutOfRange('not {shape.length} bytes')")
                arguments.append(value)
            elif isinstance(shape, UintShape) and shape.size == 16 and not shape.signed:
                arguments += [f"{value} & {2**64 - 1}", f"{value} >> 64"]
            elif isinstance(shape, UintShape) and shape.size >= 16:
                arguments.append(f"{value}.to_bytes({shape.size}, 'little', signed={shape.signed})")
            else:
                arguments.append(value)
        packer = self.constant("S", struct.Struct("<" + "".join(_format(shape) for shape, _ in run)).pack)
        self.line(f"o.append({packer}({', '.join(arguments)}))")

    # ---- decoding

    def decode_value(self, shape: Shape, out: str) -> None:
        match shape:
            case UintShape() | FixedBytesShape():
                self.decode_run([(shape, out)])
            case CompactShape():
                self.decode_compact(out, shape.size)
            case BoolShape():
                self.decode_tag(out)
                self.line(f"{out} = {out} == 1")
            case BytesShape():
                self.decode_slice(out, shape.limit)
            case TextShape():
                self.decode_slice(out, None)
                self.line(f"{out} = {out}.decode('utf-8')")
            case OptionShape():
                self.decode_tag(out)
                self.line(f"if {out} == 0: {out} = None")
                self.line("else:")
                self.depth += 1
                self.decode_value(shape.inner, out)
                self.depth -= 1
            case VecShape() | ArrayShape():
                self.decode_items(shape, out)
            case TupleShape():
                parts = [self.fresh("x") for _ in shape.items]
                self.decode_sequence(list(zip(shape.items, parts, strict=True)))
                self.line(f"{out} = ({''.join(part + ', ' for part in parts)})")
            case RecordShape():
                parts = [self.fresh("x") for _ in shape.fields]
                self.decode_sequence([(inner, part) for (_, inner), part in zip(shape.fields, parts, strict=True)])
                named = ", ".join(f"{name}={part}" for (name, _), part in zip(shape.fields, parts, strict=True))
                self.line(f"{out} = {self.constant('C', shape.cls)}({named})")
            case NamedIndexShape():
                names = self.constant("N", {int(member): member for member in shape.cls})
                self.line(f"{out} = {names}.get(d[p])")
                text = f"no variant {{d[p]}} in {'::'.join(shape.path)}"
                self.line(f"if {out} is None: raise UnknownVariant(f'{text}')")
                self.line("p += 1")
            case EnumShape():
                self.decode_enum(shape, out)
            case _:
                assert_never(shape)

    def decode_compact(self, out: str, size: int) -> None:
        self.line(f"{out} = d[p]")
        self.line(f"if {out} & 3: {out}, p = compact(d, p, {size})")
        self.line(f"else: {out} >>= 2; p += 1")

    def decode_tag(self, out: str) -> None:
        self.line(f"{out} = d[p]; p += 1")
        self.line(f"if {out} > 1: raise NotCanonical('a tag byte other than 0 and 1')")

    def decode_slice(self, out: str, limit: int | None) -> None:
        self.line(f"{out}, p = count(d, p, {_LENGTH_MAX if limit is None else limit}, 1)")
        self.line(f"{out} = d[p:p + {out}]; p += len({out})")

    def decode_items(self, shape: VecShape | ArrayShape, out: str) -> None:
        number, items, item = self.fresh("n"), self.fresh("l"), self.fresh("i")
        if isinstance(shape, VecShape):
            if size_min(shape.inner) == 0:
                raise UnsupportedType("a Vec of items without bytes, of which a few bytes could announce billions")
            limit = _LENGTH_MAX if shape.limit is None else shape.limit
            self.line(f"{number}, p = count(d, p, {limit}, {size_min(shape.inner)})")
        else:
            self.line(f"{number} = {shape.length}")
        self.line(f"{items} = []")
        self.line(f"for _ in range({number}):")
        self.depth += 1
        self.decode_value(shape.inner, item)
        self.line(f"{items}.append({item})")
        self.depth -= 1
        self.line(f"{out} = tuple({items})")

    def decode_enum(self, shape: EnumShape, out: str) -> None:
        index = self.fresh("k")
        self.line(f"{index} = d[p]; p += 1")
        keyword = "if"
        for number, record in shape.variants:
            self.line(f"{keyword} {index} == {number}:")
            self.depth += 1
            self.decode_value(record, out)
            self.depth -= 1
            keyword = "elif"
        # SPEC SCL-05: An enum index without a variant MUST be refused.
        self.line(f"else: raise UnknownVariant(f'no variant {{{index}}} in {'::'.join(shape.path)}')")

    def decode_sequence(self, fields: Sequence[tuple[Shape, str]]) -> None:
        for run in _runs(fields):
            if _is_packable(run[0][0]):
                self.decode_run(run)
            else:
                self.decode_value(*run[0])

    def decode_run(self, run: Sequence[tuple[Shape, str]]) -> None:
        targets: list[str] = []
        after: list[str] = []
        for shape, out in run:
            targets.append(out)
            if isinstance(shape, UintShape) and shape.size == 16 and not shape.signed:
                high = self.fresh("h")
                targets.append(high)
                after.append(f"{out} |= {high} << 64")
            elif isinstance(shape, UintShape) and shape.size >= 16:
                after.append(f"{out} = int.from_bytes({out}, 'little', signed={shape.signed})")
        layout = struct.Struct("<" + "".join(_format(shape) for shape, _ in run))
        unpacker = self.constant("S", layout.unpack_from)
        self.line(f"{''.join(target + ', ' for target in targets)}= {unpacker}(d, p); p += {layout.size}")
        for text in after:
            self.line(text)


def _is_packable(shape: Shape) -> bool:
    return isinstance(shape, UintShape | FixedBytesShape)


def _format(shape: Shape) -> str:
    if isinstance(shape, FixedBytesShape):
        return f"{shape.length}s"
    assert isinstance(shape, UintShape)
    if shape.size == 16 and not shape.signed:
        return "QQ"
    return _FORMATS.get((shape.size, shape.signed), f"{shape.size}s")


def _runs(fields: Sequence[tuple[Shape, str]]) -> Iterator[list[tuple[Shape, str]]]:
    """Yield the fields grouped: neighbours of fixed width together, every other field alone."""
    run: list[tuple[Shape, str]] = []
    for shape, name in fields:
        if _is_packable(shape):
            run.append((shape, name))
            continue
        if run:
            yield run
            run = []
        yield [(shape, name)]
    if run:
        yield run
