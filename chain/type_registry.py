"""Builds the portable type registry of metadata from scale shapes, each type once.

A limit on a Vec or on bytes is the chain's own and does not show in metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from chain.metadata_v14 import (
    Array,
    Compact,
    Composite,
    Field,
    PortableType,
    Primitive,
    PrimitiveKind,
    Sequence,
    Tuple,
    TypeParameter,
    Variant,
    Variants,
)
from chain.metadata_v14 import TypeDef as Definition
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
    VecShape,
    path_of,
    shape_of,
)

U8_SHAPE = UintShape(size=1, signed=False)


class TypeRegistry:
    """Types by id; `params_by_path` names the generics that clients look for."""

    def __init__(self, params_by_path: Mapping[tuple[str, ...], tuple[tuple[str, object | None], ...]]) -> None:
        self._params = params_by_path
        self._types: list[PortableType] = []
        self._id_by_shape: dict[Shape, int] = {}
        self._id_by_content: dict[object, int] = {}

    @property
    def types(self) -> tuple[PortableType, ...]:
        """The types in the order of their ids."""
        return tuple(self._types)

    def add(self, annotation: object) -> int:
        """Return the type id of an annotation."""
        return self.add_shape(shape_of(annotation))

    def add_shape(self, shape: Shape) -> int:
        """Return the type id of a shape."""
        if shape not in self._id_by_shape:
            self._id_by_shape[shape] = self._add_new(shape)
        return self._id_by_shape[shape]

    def add_definition(
        self,
        definition: Definition,
        *,
        path: tuple[str, ...] = (),
        params: Iterable[TypeParameter] = (),
        docs: tuple[str, ...] = (),
    ) -> int:
        """Return the id of a type given by its definition; the same twice has one id."""
        content = (path, definition)
        if content not in self._id_by_content:
            self._id_by_content[content] = len(self._types)
            self._types.append(
                PortableType(id=len(self._types), path=path, params=tuple(params), definition=definition, docs=docs)
            )
        return self._id_by_content[content]

    def make_field(self, name: str | None, annotation: object, type_name: str = "") -> Field:
        """Return a field of the annotation's type."""
        shape = shape_of(annotation)
        return Field(name=name, type=self.add_shape(shape), type_name=type_name or describe_shape(shape))

    def _add_new(self, shape: Shape) -> int:
        match shape:
            case UintShape():
                return self._add_uint(shape)
            case CompactShape():
                inner = self.add_shape(UintShape(size=shape.size, signed=False))
                return self.add_definition(Compact(type=inner))
            case BoolShape():
                return self.add_definition(Primitive(kind=PrimitiveKind.bool))
            case TextShape():
                return self.add_definition(Primitive(kind=PrimitiveKind.str))
            case FixedBytesShape():
                array = self.add_definition(Array(length=shape.length, type=self.add_shape(U8_SHAPE)))
                return self._add_newtype(shape.path, array, f"[u8; {shape.length}]")
            case BytesShape():
                return self.add_definition(Sequence(type=self.add_shape(U8_SHAPE)))
            case VecShape():
                return self.add_definition(Sequence(type=self.add_shape(shape.inner)))
            case ArrayShape():
                return self.add_definition(Array(length=shape.length, type=self.add_shape(shape.inner)))
            case TupleShape():
                return self.add_definition(Tuple(types=tuple(self.add_shape(item) for item in shape.items)))
            case OptionShape():
                return self._add_option(shape)
            case RecordShape():
                return self._add_named(path_of(shape.cls), Composite(fields=self._make_fields(shape)), shape.cls)
            case NamedIndexShape():
                variants = tuple(Variant(name=member.name, fields=(), index=int(member)) for member in shape.cls)
                return self._add_named(shape.path, Variants(variants=variants), shape.cls)
            case EnumShape():
                return self._add_named(shape.path, Variants(variants=self._make_variants(shape)), None)
            case _:
                assert_never(shape)

    def _add_uint(self, shape: UintShape) -> int:
        name = f"{'i' if shape.signed else 'u'}{8 * shape.size}"
        if name == "u256":
            # As Substrate's U256 is: clients know it by its path.
            words = self.add_definition(Array(length=4, type=self.add_shape(UintShape(size=8, signed=False))))
            return self._add_newtype(("primitive_types", "U256"), words, "[u64; 4]")
        primitive = self.add_definition(Primitive(kind=PrimitiveKind[name]))
        return self._add_newtype(shape.path, primitive, name)

    def _add_newtype(self, path: tuple[str, ...], inner: int, type_name: str) -> int:
        if not path:
            return inner
        field = Field(name=None, type=inner, type_name=type_name)
        return self.add_definition(Composite(fields=(field,)), path=path)

    def _add_option(self, shape: OptionShape) -> int:
        inner = self.add_shape(shape.inner)
        some = Variant(name="Some", fields=(Field(name=None, type=inner),), index=1)
        variants = (Variant(name="None", fields=(), index=0), some)
        param = TypeParameter(name="T", type=inner)
        return self.add_definition(Variants(variants=variants), path=("Option",), params=(param,))

    def _add_named(self, path: tuple[str, ...], definition: Definition, cls: type | None) -> int:
        params = tuple(
            TypeParameter(name=name, type=None if annotation is None else self.add(annotation))
            for name, annotation in self._params.get(path, ())
        )
        return self.add_definition(definition, path=path, params=params, docs=docs_of(cls))

    def _make_fields(self, shape: RecordShape) -> tuple[Field, ...]:
        unnamed = getattr(shape.cls, "scale_unnamed", False)
        names: Mapping[str, str] = getattr(shape.cls, "scale_field_names", {})
        return tuple(
            Field(
                name=None if unnamed else names.get(name, name),
                type=self.add_shape(inner),
                type_name=describe_shape(inner),
            )
            for name, inner in shape.fields
        )

    def _make_variants(self, shape: EnumShape) -> tuple[Variant, ...]:
        return tuple(
            Variant(
                name=getattr(record.cls, "scale_name", record.cls.__name__),
                fields=self._make_fields(record),
                index=index,
                docs=docs_of(record.cls),
            )
            for index, record in shape.variants
        )


def docs_of(cls: type | None) -> tuple[str, ...]:
    """Return the first line of a class's docstring, as metadata carries it."""
    text = (cls.__doc__ or "").strip() if cls is not None else ""
    return (text.splitlines()[0],) if text else ()


def describe_shape(shape: Shape) -> str:
    """Return the name a Rust reader would give the type, for a field's `type_name`."""
    match shape:
        case UintShape() if shape.path:
            return shape.path[-1]
        case UintShape():
            return f"{'i' if shape.signed else 'u'}{8 * shape.size}".replace("u256", "U256")
        case CompactShape():
            return f"Compact<u{8 * shape.size}>"
        case BoolShape():
            return "bool"
        case TextShape():
            return "String"
        case FixedBytesShape():
            return shape.path[-1] if shape.path else f"[u8; {shape.length}]"
        case BytesShape():
            return "Vec<u8>"
        case VecShape():
            return f"Vec<{describe_shape(shape.inner)}>"
        case ArrayShape():
            return f"[{describe_shape(shape.inner)}; {shape.length}]"
        case TupleShape():
            return f"({', '.join(describe_shape(item) for item in shape.items)})"
        case OptionShape():
            return f"Option<{describe_shape(shape.inner)}>"
        case RecordShape():
            return path_of(shape.cls)[-1]
        case NamedIndexShape() | EnumShape():
            return shape.path[-1]
        case _:
            assert_never(shape)
