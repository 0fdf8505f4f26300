# How values of programs in wasm are shown whose own printers, if there are any, know
# other pointers than those of linear memory: as the toolchains' printers show them on
# other machines.

import itertools
import json


def text(address, length=None):
    """What is in linear memory at an address, up to a zero or of a length, quoted."""
    size = min(limit() + 1, UNLIMITED if length is None else length)
    data = bytes(gdb.selected_inferior().read_memory(int(native(address)), size)) if size else b""
    return quoted(data.split(b"\0")[0] if length is None else data)


def quoted(data):
    shown = json.dumps(data[: limit()].decode("utf-8", "backslashreplace"), ensure_ascii=False)
    return shown + ("..." if len(data) > limit() else "")


def limit():
    return gdb.parameter("print elements") or UNLIMITED


# Bytes of the longest text that is shown.
UNLIMITED = 10000


class Text:
    """Shows what `read` reads of a value, or what gdb shows if it cannot."""

    def __init__(self, value, read):
        self.value, self.read = value, read

    def to_string(self):
        try:
            return self.read(self.value)
        except (gdb.error, gdb.GdbError, OverflowError):
            return self.value.format_string(raw=True)


class Items:
    """Shows what is in a value: pairs of a name and a value."""

    def __init__(self, title, items, hint=None):
        self.title, self.items, self.hint = title, items, hint

    def to_string(self):
        return self.title

    def children(self):
        return iter(self.items)

    def display_hint(self):
        return self.hint


def elements(title, values):
    return Items(title, ((f"[{i}]", value) for i, value in enumerate(values)), "array")


def behind(pointer, count=1, kind=None):
    """Objects that are side by side where a pointer points, of its type or another."""
    target = pointer.type.strip_typedefs().target().strip_typedefs()
    if kind is None and is_deferred(target):
        kind = target.target()
    if kind is not None:
        pointer = gdb.Value(int(native(int(pointer)))).cast(kind.pointer())
    return ((pointer + i).dereference() for i in range(count))


def is_deferred(kind):
    """Whether a type stands for a Rust enumeration of which gdb should not ask the
    variant before it knows where it is: an array with a name, and no elements."""
    kind = kind.strip_typedefs()
    return kind.code == gdb.TYPE_CODE_ARRAY and kind.name is not None


def first_pointer(value):
    """The first pointer in a structure, which may be in structures."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR:
        return value
    is_structure = kind.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
    fields = kind.fields() if is_structure else []
    found = (first_pointer(value[field]) for field in fields if hasattr(field, "bitpos"))
    return next((pointer for pointer in found if pointer is not None), None)


def pointer_text(value):
    return f"{int(value):#x} {text(int(value))}" if int(value) else "0x0"


def short(kind):
    """A type's name without namespaces, and without what is between <>."""
    return kind.strip_typedefs().name.partition("<")[0].rpartition("::")[2]


def argument(value):
    """What a value's type is made for: T of Vec<T>."""
    return value.type.strip_typedefs().template_argument(0)


# C++, with libc++.


def string(value):
    fields = value["__rep_"]
    if int(fields["__s"]["__is_long_"]):
        return text(int(fields["__l"]["__data_"]), int(fields["__l"]["__size_"]))
    data, size = fields["__s"]["__data_"], int(fields["__s"]["__size_"])
    return quoted(bytes(int(data[i]) % 256 for i in range(size)))


def string_view(value):
    return text(int(value["__data_"]), int(value["__size_"]))


def vector(value):
    begin = value["__begin_"]
    if argument(value).code == gdb.TYPE_CODE_BOOL:
        return flags(begin, int(value["__size_"]), int(value["__cap_"]))
    size, capacity = (int(value[end] - begin) for end in ("__end_", "__cap_"))
    return elements(f"std::vector of length {size}, capacity {capacity}", behind(begin, size))


def flags(begin, size, capacity):
    """Of std::vector<bool>, whose capacity counts words."""
    bits = 8 * begin.type.strip_typedefs().target().sizeof
    words = map(int, behind(begin, -(-size // bits)))
    shown = (gdb.Value(bool(word >> i & 1)) for word in words for i in range(bits))
    title = f"std::vector<bool> of length {size}, capacity {capacity * bits}"
    return elements(title, itertools.islice(shown, size))


def nodes(node, kind):
    """The nodes of a tree in order, from the one that a pointer points to."""
    field = lambda node, name: next(behind(node, 1, kind))[name]
    while True:
        yield next(behind(node, 1, kind))
        if field(node, "__right_"):
            node = field(node, "__right_")
            while field(node, "__left_"):
                node = field(node, "__left_")
        else:
            while field(field(node, "__parent_"), "__left_") != node:
                node = field(node, "__parent_")
            node = field(node, "__parent_")


def tree(value):
    inner, name = value["__tree_"], short(value.type)
    size = int(inner["__size_"])
    kind = argument(inner["__node_alloc_"])
    found = itertools.islice(nodes(inner["__begin_node_"], kind), size)
    title = f"std::{name} with {size} element{'' if size == 1 else 's'}"
    if not name.endswith("map"):
        return Items(title, ((f"[{i}]", node["__value_"]) for i, node in enumerate(found)))
    pairs = (("", node["__value_"][part]) for node in found for part in ("first", "second"))
    return Items(title, pairs, "map")


def unique(value):
    return Items(f"std::unique_ptr<{argument(value)}>", [("get()", value["__ptr_"])])


def shared(value):
    title = f"std::{short(value.type)}<{argument(value)}>"
    if int(value["__cntrl_"]):
        # After the virtual functions. libc++ has them described only where they are.
        _, uses, weak = map(int, behind(value["__cntrl_"], 3, gdb.lookup_type("int")))
        title += f" (use count {uses + 1}, weak count {weak})"
    else:
        title += " (empty)"
    return Items(title, [("get()", value["__ptr_"])])


# Rust.


def rust_slice(value):
    size = int(value["length"])
    return elements(f"{value.type}(size={size})", behind(value["data_ptr"], size))


def rust_str(value):
    return text(int(value["data_ptr"]), int(value["length"]))


def rust_string(value):
    return text(int(first_pointer(value["vec"]["buf"])), int(value["vec"]["len"]))


def rust_vec(value):
    size, first = int(value["len"]), first_pointer(value["buf"])
    return elements(f"Vec(size={size})", behind(first, size, argument(value)))


def rust_counted(value):
    counted = next(behind(value["ptr"]["pointer"]))
    strong, weak = (int(first_number(counted[name])) for name in ("strong", "weak"))
    content = counted[counted.type.fields()[-1]]
    return Items(f"{short(value.type)}(strong={strong}, weak={weak - 1})", [("value", content)])


def first_number(value):
    """The number in structures in structures."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[value.type.fields()[0]]
    return value


# By their names. What is not a container's, gdb shows.
TEXTS = [
    (r"std::__\w+::basic_string<char, ", string),
    (r"std::__\w+::basic_string_view<char, ", string_view),
    (r"(&(mut )?|alloc::boxed::Box<)str\b", rust_str),
    (r"alloc::string::String$", rust_string),
]
CONTAINERS = [
    (r"std::__\w+::vector<", vector),
    (r"std::__\w+::(multi)?(map|set)<", tree),
    (r"std::__\w+::unique_ptr<", unique),
    (r"std::__\w+::(shared|weak)_ptr<", shared),
    (r"(&(mut )?|alloc::boxed::Box<)\[", rust_slice),
    (r"alloc::vec::Vec<", rust_vec),
    (r"alloc::(rc::Rc|sync::Arc)<", rust_counted),
]


def printer(value):
    """How to show a value of a program in wasm; None is as usual."""
    kind = value.type.strip_typedefs().unqualified()
    if kind.code == gdb.TYPE_CODE_ARRAY:
        if is_deferred(kind):
            return Text(value, lambda value: value[0].format_string())
        # gdb 13 dies of printing arrays of enumerations.
        if kind.target().dynamic and kind.target().strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            return elements(None, (value[i] for i in range(kind.range()[1] + 1)))
        return None
    if kind.code == gdb.TYPE_CODE_PTR and kind.sizeof == POINTER:
        target = kind.target().strip_typedefs().unqualified()
        is_text = (target.name or "").strip() in ("char", "signed char", "unsigned char")
        return Text(value, pointer_text) if is_text else None
    if kind.code != gdb.TYPE_CODE_STRUCT:
        return None
    for name, read in TEXTS:
        if re.match(name, kind.name or "") and is_linear(value):
            return Text(value, read)
    for name, show in CONTAINERS:
        if re.match(name, kind.name or "") and is_linear(value):
            try:
                return show(value)
            except (gdb.error, gdb.GdbError, OverflowError):
                return None
    return None


def is_linear(value):
    """Whether a value is of wasm, not of the host."""
    pointer = first_pointer(value)
    return pointer is not None and pointer.type.sizeof == POINTER


# Bytes of a pointer in linear memory.
POINTER = 4

gdb.pretty_printers.append(printer)
