# The rest is for sources, in files of --debug=source-lldb: what pointers in linear
# memory, which lldb takes for structures, point to; and texts.

import json

# Bytes of the longest text that is shown.
MAX_TEXT = 1024

# Of what may be an array, this is the last but one element.
MAX_INDEX = 1 << 16


def start(value):
    """Where linear memory starts, or None where that is not known."""
    frame = value.GetFrame()
    if not frame.IsValid():
        frame = value.GetTarget().GetProcess().GetSelectedThread().GetSelectedFrame()
    memory = frame.GetValueForVariablePath("wasm2so_memory")
    address = memory.GetLoadAddress()
    return None if address == lldb.LLDB_INVALID_ADDRESS else address


def address_of(value):
    """The address in linear memory that a pointer is; None of what is none."""
    member = value.GetNonSyntheticValue().GetChildMemberWithName("wasm2so_address")
    return member.GetValueAsUnsigned() if member.IsValid() else None


def quoted(value, address, length=None):
    """What is in linear memory at an address, up to a zero or of a length, as text."""
    memory = start(value)
    if memory is None:
        return ""
    error = lldb.SBError()
    process = value.GetTarget().GetProcess()
    size = MAX_TEXT if length is None else min(length, MAX_TEXT)
    data = process.ReadMemory(memory + address, size, error) if size else b""
    if error.Fail():
        return ""
    return as_text(data.split(b"\0")[0] if length is None else data)


def as_text(data):
    return json.dumps(data.decode("utf-8", "backslashreplace"), ensure_ascii=False)


class Pointer:
    """What a pointer points to, and what is behind that."""

    def __init__(self, value, internal):
        self.value = value

    def update(self):
        self.pointer = self.value.GetNonSyntheticValue()
        target = self.pointer.GetChildMemberWithName("wasm2so_target").GetType()
        self.target = target.GetArrayElementType().GetPointeeType()

    def is_structure(self):
        return self.target.GetCanonicalType().IsAggregateType()

    def num_children(self):
        # Other values may be in an array; nobody shows all of that.
        return 1 if self.is_structure() else MAX_INDEX

    def has_children(self):
        return self.is_structure()

    def get_child_index(self, name):
        if name == "$$dereference$$":
            return 0
        return int(name[1:-1]) if re.fullmatch(r"\[\d+\]", name) else -1

    def get_child_at_index(self, index):
        name = f"*{self.pointer.GetName()}" if index == 0 else f"[{index}]"
        return self.element(index, name)

    def element(self, index, name):
        memory, address = start(self.pointer), address_of(self.pointer)
        if memory is None or not address:
            return None
        at = memory + address + index * self.target.GetByteSize()
        return self.pointer.CreateValueFromAddress(name, at, self.target)


def pointer_summary(value, internal):
    value = value.GetNonSyntheticValue()
    address = address_of(value)
    if address is None:
        return None
    target = value.GetChildMemberWithName("wasm2so_target").GetType()
    target = target.GetArrayElementType().GetPointeeType().GetCanonicalType()
    is_text = target.GetUnqualifiedType().GetName() in ("char", "signed char", "unsigned char")
    shown = quoted(value, address) if is_text and address else ""
    return f"{address:#x} {shown}".rstrip()


def is_pointer(kind, internal):
    """Whether lldb takes a pointer for this structure."""
    return kind.GetCanonicalType().GetFieldAtIndex(0).GetName() == "wasm2so_address"


class Plain:
    """What is in a structure of libc++: lldb's own formats die of its pointers."""

    def __init__(self, value, internal):
        self.value = value.GetNonSyntheticValue()

    def num_children(self):
        return self.value.GetNumChildren()

    def get_child_index(self, name):
        return self.value.GetIndexOfChildWithName(name)

    def get_child_at_index(self, index):
        return self.value.GetChildAtIndex(index)


class Vector(Plain):
    """The elements of a std::vector."""

    def update(self):
        self.first = self.value.GetChildMemberWithName("__begin_")
        begin, end = (
            address_of(self.value.GetChildMemberWithName(name)) or 0
            for name in ("__begin_", "__end_")
        )
        self.elements = Pointer(self.first, None)
        self.elements.update()
        size = self.elements.target.GetByteSize()
        self.count = (end - begin) // size if size and end > begin else 0

    def num_children(self):
        return self.count

    def get_child_index(self, name):
        return int(name[1:-1]) if re.fullmatch(r"\[\d+\]", name) else -1

    def get_child_at_index(self, index):
        return self.elements.element(index, f"[{index}]") if index < self.count else None


def container_summary(value, internal):
    """Of libc++'s containers: those of lldb are of other pointers."""
    plain = value.GetNonSyntheticValue()
    if plain.GetChildMemberWithName("__ptr_").IsValid():
        return pointer_summary(plain.GetChildMemberWithName("__ptr_"), None)
    if plain.GetChildMemberWithName("__end_").IsValid():
        return f"size={value.GetNumChildren()}"
    holder = plain.GetChildMemberWithName("__tree_")
    size = (holder if holder.IsValid() else plain).GetChildMemberWithName("__size_")
    return f"size={size.GetValueAsUnsigned()}" if size.IsValid() else ""


def cpp_summary(value, internal):
    """Of libc++'s std::string and std::string_view."""
    value = value.GetNonSyntheticValue()
    data = value.GetChildMemberWithName("__data_")
    if data.IsValid():
        size = value.GetChildMemberWithName("__size_").GetValueAsUnsigned()
        return quoted(value, address_of(data) or 0, size)
    fields = value.GetChildMemberWithName("__rep_")
    short, long = (fields.GetChildMemberWithName(name) for name in ("__s", "__l"))
    if short.GetChildMemberWithName("__is_long_").GetValueAsUnsigned():
        size = long.GetChildMemberWithName("__size_").GetValueAsUnsigned()
        return quoted(value, address_of(long.GetChildMemberWithName("__data_")) or 0, size)
    size = short.GetChildMemberWithName("__size_").GetValueAsUnsigned()
    error = lldb.SBError()
    return as_text(short.GetChildMemberWithName("__data_").GetData().ReadRawData(error, 0, size))


def string_summary(value, internal):
    """Of Rust's String."""
    vector = value.GetNonSyntheticValue().GetChildMemberWithName("vec")
    length = vector.GetChildMemberWithName("len").GetValueAsUnsigned()
    pointer = vector.GetChildMemberWithName("buf")
    while address_of(pointer) is None and pointer.GetNumChildren():
        pointer = pointer.GetChildAtIndex(0)
    return quoted(value, address_of(pointer) or 0, length)


def has_pointer(kind):
    """Whether there is a pointer of wasm in a structure, which may be in structures."""
    kind = kind.GetCanonicalType()
    if is_pointer(kind, None):
        return True
    count = kind.GetNumberOfFields()
    return any(has_pointer(kind.GetFieldAtIndex(place).GetType()) for place in range(count))


def is_cpp(pattern):
    """Recognizes types of libc++ in modules that were wasm, by the rest of their name."""

    def recognize(kind, internal):
        name = kind.GetCanonicalType().GetUnqualifiedType().GetName() or ""
        return bool(re.match(r"std::(__\w+::)?" + pattern, name)) and has_pointer(kind)

    return recognize


is_container = is_cpp("")
is_vector = is_cpp("vector<(?!bool)")
is_string = is_cpp("basic_string(_view)?<char,")


def str_summary(value, internal):
    """Of Rust's &str."""
    value = value.GetNonSyntheticValue()
    length = value.GetChildMemberWithName("length").GetValueAsUnsigned()
    return quoted(value, address_of(value.GetChildMemberWithName("data_ptr")) or 0, length)


def add_formats(run):
    by = f"--recognizer-function {__name__}"
    for name, recognizer in [
        ("Plain", "is_container"), ("Vector", "is_vector"), ("Pointer", "is_pointer")
    ]:
        run(f"type synthetic add -l {__name__}.{name} {by}.{recognizer}")
    run(f"type summary add -F {__name__}.pointer_summary {by}.is_pointer")
    run(f"type summary add -e -F {__name__}.container_summary {by}.is_container")
    run(f"type summary add -F {__name__}.cpp_summary {by}.is_string")
    run(f"type summary add -x '^&(mut )?str$' -F {__name__}.str_summary")
    run(f"type summary add -x '^alloc::string::String$' -F {__name__}.string_summary")
