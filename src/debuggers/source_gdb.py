# The rest is for sources, in files of --debug=source: `wasm view`, which shows the
# offsets instead, and the texts that strings in linear memory have.

import atexit
import json
import os
import struct
import tempfile

HIDDEN = b".wasm2so"


def section_names(file):
    """Of an ELF file's bytes: where each section's header is, and its name."""
    (table,) = struct.unpack_from("<Q", file, 0x28)
    size, count, names = struct.unpack_from("<HHH", file, 0x3A)
    (start,) = struct.unpack_from("<Q", file, table + names * size + 0x18)
    for header in range(table, table + count * size, size):
        (name,) = struct.unpack_from("<I", file, header)
        end = file.index(b"\0", start + name)
        yield header, bytes(file[start + name : end])


def with_offsets(path):
    """The file at `path` with the debug information about offsets, or None if it has
    no other."""
    with open(path, "rb") as opened:
        file = bytearray(opened.read())
    found = list(section_names(file))
    if not any(name.startswith(HIDDEN + b".debug_") for _, name in found):
        return None
    for header, name in found:
        if name.startswith(HIDDEN + b".debug_"):
            # The end of a name is a name.
            (start,) = struct.unpack_from("<I", file, header)
            struct.pack_into("<I", file, header, start + len(HIDDEN))
        elif name.startswith(b".debug_"):
            # No name, no bits.
            struct.pack_into("<II", file, header, 0, 0)
    return file


def loaded():
    """Path and text section's address of each shared library."""
    listed = gdb.execute("info sharedlibrary", to_string=True)
    return [(path, int(start, 16)) for start, path in SHARED.findall(listed)]


SHARED = re.compile(r"^(0x\w+)\s+0x\w+\s+\w+\s+(?:\(\*\)\s+)?(/.*)$", re.M)


class View(gdb.Command):
    """Show offsets in the wasm files instead of sources, or sources again.
Usage: wasm view offsets | source

For files of --debug=source. With offsets, all of the `wasm` commands work."""

    def __init__(self):
        super().__init__("wasm view", gdb.COMMAND_FILES)
        self.shown = {}
        atexit.register(lambda: [os.unlink(copy) for copy, _ in self.shown.values()])

    def invoke(self, argument, from_tty):
        if argument == "offsets":
            self.offsets()
        elif argument == "source":
            self.source()
        else:
            fail("Which view? Say: wasm view offsets, or: wasm view source.")

    def offsets(self):
        libraries = loaded()
        if self.shown:
            fail("Offsets are shown.")
        files = {path: with_offsets(path) for path, _ in libraries}
        files = {path: file for path, file in files.items() if file}
        if not files:
            fail("No file that is loaded has both views; they come of --debug=source.")
        # gdb forgets shared libraries only all at once.
        gdb.execute("set auto-solib-add off")
        gdb.execute("nosharedlibrary")
        for path, start in libraries:
            if path in files:
                copy = tempfile.NamedTemporaryFile(
                    prefix=os.path.basename(path) + ".", suffix=".offsets", delete=False
                )
                copy.write(files[path])
                copy.close()
                self.shown[path] = (copy.name, start)
                gdb.execute(f"add-symbol-file {copy.name} {start:#x}", to_string=True)
            else:
                gdb.execute(f"sharedlibrary ^{re.escape(path)}$", to_string=True)

    def source(self):
        if not self.shown:
            fail("Sources are shown.")
        for copy, start in self.shown.values():
            gdb.execute(f"remove-symbol-file -a {start:#x}", to_string=True)
            os.unlink(copy)
        self.shown.clear()
        gdb.execute("set auto-solib-add on")
        gdb.execute("sharedlibrary", to_string=True)


def text(address, length=None):
    """What is in linear memory at an address, up to a zero or of a length, quoted."""
    limit = gdb.parameter("print elements") or 10000
    size = min(limit + 1, 10000 if length is None else length)
    data = bytes(gdb.selected_inferior().read_memory(int(native(address)), size))
    data = data.split(b"\0")[0] if length is None else data
    shown = data[:limit].decode("utf-8", "backslashreplace")
    return json.dumps(shown, ensure_ascii=False) + ("..." if len(data) > limit else "")


class Text:
    """Shows a string: what `read` reads of it, or what gdb shows if it cannot."""

    def __init__(self, value, read):
        self.value, self.read = value, read

    def to_string(self):
        try:
            return self.read(self.value)
        except (gdb.error, gdb.GdbError, OverflowError):
            return self.value.format_string(raw=True)


def pointer_text(value):
    return f"{int(value):#x} {text(int(value))}" if int(value) else "0x0"


def cpp_text(value):
    """Of libc++'s std::string."""
    fields = value["__rep_"]
    if int(fields["__s"]["__is_long_"]):
        return text(int(fields["__l"]["__data_"]), int(fields["__l"]["__size_"]))
    data = fields["__s"]["__data_"]
    return json.dumps("".join(chr(int(data[i]) % 256) for i in range(int(fields["__s"]["__size_"]))))


def str_text(value):
    return text(int(value["data_ptr"]), int(value["length"]))


def first_pointer(value):
    """The first pointer in a structure, which may be in structures."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR:
        return value
    fields = kind.fields() if kind.code == gdb.TYPE_CODE_STRUCT else []
    found = (first_pointer(value[field]) for field in fields)
    return next((pointer for pointer in found if pointer is not None), None)


def string_text(value):
    """Of Rust's String."""
    return text(int(first_pointer(value["vec"]["buf"])), int(value["vec"]["len"]))


def behind(value):
    """What a pointer points to that gdb itself cannot follow."""
    target = value.type.strip_typedefs().target()
    data = gdb.selected_inferior().read_memory(int(native(int(value))), target.sizeof)
    return f"{int(value):#x} -> {gdb.Value(bytes(data), target).format_string()}"


def printer(value):
    """How to show a value of a program in wasm; None is as usual."""
    kind = value.type.strip_typedefs().unqualified()
    name = kind.name or ""
    if kind.code == gdb.TYPE_CODE_PTR and kind.sizeof == 4:
        target = kind.target().strip_typedefs().unqualified()
        if (target.name or "").strip() in ("char", "signed char", "unsigned char"):
            return Text(value, pointer_text)
        if target.code == gdb.TYPE_CODE_STRUCT and any(f.name is None for f in target.fields()):
            return Text(value, behind)
    elif name == "&str":
        return Text(value, str_text)
    elif name == "alloc::string::String":
        return Text(value, string_text)
    elif CPP_STRING.match(name):
        return Text(value, cpp_text)
    return None


CPP_STRING = re.compile(r"std::__\w+::basic_string<char, ")

View()
gdb.pretty_printers.append(printer)
