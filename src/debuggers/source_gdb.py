# The rest is for sources, in files of --debug=source. First `wasm view`, which shows
# the offsets instead.

import atexit
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


class View(Command):
    """Show offsets in the wasm files instead of sources, or sources again.
Usage: wasm view offsets | source

For files of --debug=source. With offsets, all of the `wasm` commands work."""

    def __init__(self):
        super().__init__("wasm view", gdb.COMMAND_FILES)
        self.shown = {}
        atexit.register(lambda: [os.unlink(copy) for copy, _ in self.shown.values()])
        gdb.events.exited.connect(self.on_exit)

    def run(self, argument):
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
        self.forget()
        gdb.execute("sharedlibrary", to_string=True)

    def forget(self):
        for copy, start in self.shown.values():
            gdb.execute(f"remove-symbol-file -a {start:#x}", to_string=True)
            os.unlink(copy)
        self.shown.clear()
        gdb.execute("set auto-solib-add on")

    def on_exit(self, event):
        """Next time, libraries may be elsewhere."""
        if self.shown:
            self.forget()
            print("When the program runs again, sources are shown.")


View()
