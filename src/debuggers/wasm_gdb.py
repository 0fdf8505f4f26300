"""WebAssembly in gdb 13 and later: the commands `wasm ...`, `$wasm(ADDRESS)`, and a
frame filter. Everything they know comes from the debug information of the file:
a line number is an offset in the wasm file, `vmctx` is the instance."""

import gdb
import re
from gdb.FrameDecorator import FrameDecorator

SOURCES = re.compile(r"[^,\s][^,\n]*\.wa(?:sm|t)(?=,|\s|$)")


def fail(text):
    raise gdb.GdbError(text)


def is_wasm(symtab):
    return symtab is not None and symtab.filename.endswith((".wasm", ".wat"))


def offset_of(frame):
    """The wasm offset at which a frame is, or None for a frame of the host."""
    sal = frame.find_sal()
    return sal.line if is_wasm(sal.symtab) and sal.line else None


def frames(frame):
    while frame is not None:
        yield frame
        frame = frame.older()


def innermost():
    """The innermost frame of wasm, from the selected one outwards."""
    for frame in frames(gdb.selected_frame()):
        if offset_of(frame) is not None:
            return frame
    fail("No wasm function is active here. (Sources? wasm view offsets)")


def in_prologue(frame):
    """Whether variables are not yet where the debug information says."""
    return frame.type() == gdb.NORMAL_FRAME and offset_of(frame) == frame.function().line


def hexadecimal(offset):
    return f"{offset:#06x}"


def instance():
    """What `vmctx` points at, in the first frame that knows it."""
    for frame in frames(innermost()):
        if offset_of(frame) is None or in_prologue(frame):
            continue
        try:
            vmctx = frame.read_var("vmctx")
        except ValueError:
            continue
        if not vmctx.is_optimized_out:
            return vmctx.dereference()
    fail("The instance is not known here: compile with -Og or --debug=full.")


def native(address):
    """The native address, `char *`, of an address in linear memory."""
    char = gdb.lookup_type("char").pointer()
    try:
        byte = gdb.Value(address).cast(gdb.lookup_type("wasm2so_byte").pointer())
        return byte.dereference().address.cast(char)
    except gdb.error:
        return field(instance(), "memory").cast(char) + address


def field(vmctx, name):
    try:
        return vmctx[name]
    except gdb.error:
        fail(f"The module has no {name}.")


def extent(vmctx, name):
    """The bytes of a memory, or the elements of a table."""
    kind = re.match("memory|table", name)[0]
    state = field(vmctx, name.replace(kind, f"{kind}_state"))
    return int(state["byte_len" if kind == "memory" else "len"])


def number(text):
    """An expression of gdb's."""
    return int(gdb.parse_and_eval(text))


def sources():
    """The wasm files that gdb knows of."""
    listed = gdb.execute(r"info sources -basename -- \.wa\(sm\|t\)$", to_string=True)
    return sorted(set(SOURCES.findall(listed)))


def variables(frame):
    """Name and symbol of all that is in scope, innermost first."""
    block, seen = frame.block(), set()
    while block is not None:
        for symbol in block:
            if (symbol.is_variable or symbol.is_argument) and symbol.name not in seen:
                seen.add(symbol.name)
                yield symbol
        if block.function is not None:
            return
        block = block.superblock


class Wasm(gdb.Command):
    """WebAssembly: stacks, breakpoints, text, variables, memory and tables.

Offsets are those of the wasm file, as `wasm-objdump -d` prints them."""

    def __init__(self):
        super().__init__("wasm", gdb.COMMAND_USER, gdb.COMPLETE_NONE, True)


class Backtrace(gdb.Command):
    """Print the wasm functions that are active, with their offsets.
Usage: wasm bt

Frames of the host are left out; `bt` shows them too."""

    def __init__(self):
        super().__init__("wasm bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wasm = [f for f in frames(gdb.newest_frame()) if offset_of(f) is not None]
        for place, frame in enumerate(wasm):
            print(f"#{place:02}: {hexadecimal(offset_of(frame))} - {frame.name()}")
        if not wasm:
            fail("No wasm function is active in this thread. (Sources? wasm view offsets)")


class Break(gdb.Command):
    """Set a breakpoint.
Usage: wasm break OFFSET | FUNCTION | FUNCTION+OFFSET | $fINDEX [if CONDITION]

OFFSET is one in the wasm file, or in a function from its start. $fINDEX is the
function with this index."""

    def __init__(self):
        super().__init__("wasm break", gdb.COMMAND_BREAKPOINTS)
        self.pending = []
        gdb.events.new_objfile.connect(self.on_load)

    def invoke(self, argument, from_tty):
        place, _, condition = argument.partition(" if ")
        place = place.strip()
        if not place:
            fail("Where? Give an offset, a function, or FUNCTION+OFFSET.")
        if sources():
            self.set(place, condition)
        else:
            self.pending.append((place, condition))
            print("No wasm module is loaded yet; the breakpoint is set when one is.")

    def on_load(self, event):
        while self.pending and sources():
            try:
                self.set(*self.pending.pop(0))
            except gdb.GdbError as error:
                print(error)

    def set(self, place, condition):
        offset = self.offset(place)
        if offset is None:
            symbol = self.function(place)
            breakpoint = gdb.Breakpoint(source=symbol.symtab.filename, function=symbol.name)
        else:
            breakpoint = gdb.Breakpoint(source=self.file(offset), line=offset)
            self.check(breakpoint, offset)
        if condition:
            try:
                breakpoint.condition = condition
            except gdb.error as error:
                breakpoint.delete()
                fail(error)

    def offset(self, place):
        if re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", place):
            return int(place, 0)
        function, plus, inside = place.rpartition("+")
        return self.function(function.strip()).line + number(inside) if plus else None

    def function(self, name):
        for symbol in gdb.lookup_static_symbols(name):
            if is_wasm(symbol.symtab):
                return symbol
        indexed = re.fullmatch(r"\$f(\d+)", name)
        symbol = self.numbered(indexed[1]) if indexed else None
        if symbol is None:
            fail(f"No function {name} in the modules that are loaded.")
        return symbol

    def numbered(self, index):
        """By the name in the symbol table, which begins with the index."""
        names = gdb.execute(f"complete break 'wasm[{index}]::", to_string=True)
        for name in re.findall(r"'(wasm\[\d+\]::.*)'", names):
            address = number(f"(long) &'{name}'")
            return gdb.block_for_pc(address).function
        return None

    def file(self, offset):
        found = sources()
        selected = gdb.selected_thread() and gdb.selected_frame().find_sal().symtab
        if len(found) > 1 and is_wasm(selected):
            return selected.filename
        if len(found) > 1:
            fail(f"Of which module? Say: break 'FILE':{offset}, FILE one of {', '.join(found)}")
        return found[0]

    def check(self, breakpoint, offset):
        lines = [location.source[1] for location in breakpoint.locations if location.source]
        if lines and offset not in lines:
            print(f"No code at {hexadecimal(offset)}; the next is at {hexadecimal(min(lines))}.")


class List(gdb.Command):
    """Print wasm instructions around where the program is, or around OFFSET.
Usage: wasm list [OFFSET [COUNT]]

Needs the listing that `wasm2so --listing` writes."""

    def __init__(self):
        super().__init__("wasm list", gdb.COMMAND_FILES)

    def invoke(self, argument, from_tty):
        arguments = gdb.string_to_argv(argument)
        frame = innermost()
        here = offset_of(frame)
        around = number(arguments[0]) if arguments else here
        count = number(arguments[1]) if len(arguments) > 1 else 11
        listing = frame.find_sal().symtab.fullname()
        try:
            with open(listing, encoding="utf-8", errors="strict") as file:
                lines = [(n, text) for n, text in enumerate(file, 1) if text.strip()]
        except (OSError, UnicodeDecodeError):
            fail(f"{listing} is no listing: compile with --listing.")
        after = next((i for i, (n, _) in enumerate(lines) if n > around), len(lines))
        first = max(0, after - 1 - count // 2)
        for n, text in lines[first : first + count]:
            print(f"{'=>' if n == here else '  '} {hexadecimal(n)}: {text.rstrip()}")


class Locals(gdb.Command):
    """Print parameters, locals and operands of the selected frame.
Usage: wasm locals"""

    def __init__(self):
        super().__init__("wasm locals", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        frame = innermost()
        shown = [s for s in variables(frame) if s.name != "vmctx"]
        operands = [s for s in shown if re.fullmatch(r"stack\d+", s.name)]
        shown = [s for s in shown if s not in operands]
        for symbol in shown + operands[::-1]:
            value = frame.read_var(symbol, frame.block())
            text = "<optimized out>" if value.is_optimized_out else value.format_string()
            if not value.is_optimized_out and value.type.code == gdb.TYPE_CODE_INT:
                text += f" ({int(value) % 2 ** (8 * value.type.sizeof):#x})"
            print(f"{symbol.name}: {symbol.type} = {text}")
        if not shown and not operands:
            print("No parameters, locals or operands.")


def dump(address, data):
    """Lines of 16 bytes each."""
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        print(f"{address + start:#010x}: {row.hex(' '):47}  {text}")


class Memory(gdb.Command):
    """Print bytes of linear memory.
Usage: wasm memory ADDRESS [COUNT]

Expressions and watchpoints reach it by `$wasm(ADDRESS)`, as in
`watch -location *(int *)$wasm(1024)`."""

    def __init__(self):
        super().__init__("wasm memory", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        arguments = gdb.string_to_argv(argument)
        if not arguments:
            fail("Give an address in linear memory.")
        address = number(arguments[0])
        count = number(arguments[1]) if len(arguments) > 1 else 64
        vmctx = instance()
        length = extent(vmctx, "memory")
        if not 0 <= address < length:
            fail(f"{address:#x} is out of bounds: the memory has {length:#x} bytes.")
        base = int(field(vmctx, "memory"))
        count = min(count, length - address)
        dump(address, bytes(gdb.selected_inferior().read_memory(base + address, count)))


class Table(gdb.Command):
    """Print the elements of a table that are not null.
Usage: wasm table [INDEX [FIRST [COUNT]]]

Functions that a table starts with are put into it as they are first used."""

    def __init__(self):
        super().__init__("wasm table", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        index, first, count = ([number(a) for a in gdb.string_to_argv(argument)] + [None] * 3)[:3]
        name = f"table{index or ''}"
        vmctx = instance()
        table = field(vmctx, name)
        length = extent(vmctx, name)
        first = first or 0
        last = length if count is None else min(length, first + count)
        print(f"{name}: {length} elements")
        for place in range(first, last):
            element = table[place]
            if int(element):
                print(f"  {place}: {self.name(element)}")

    def name(self, element):
        if str(element.type) != "funcref":
            return element.format_string()
        code = int(element["local_code"]) or int(element["code"])
        symbol = gdb.execute(f"info symbol {code:#x}", to_string=True)
        return re.sub(r" in section .*", "", symbol.strip())


class Info(gdb.Command):
    """Print where the selected frame is, and its instance.
Usage: wasm info"""

    def __init__(self):
        super().__init__("wasm info", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        frame = innermost()
        offset, sal = offset_of(frame), frame.find_sal()
        print(f"module:   {sal.symtab.filename}, in {sal.symtab.objfile.filename}")
        if frame.type() == gdb.INLINE_FRAME:
            print(f"function: {frame.name()}, inlined")
            print(f"offset:   {hexadecimal(offset)}")
        else:
            start = frame.function().line
            print(f"function: {frame.name()}, starts at {hexadecimal(start)}")
            print(f"offset:   {hexadecimal(offset)}, {offset - start:#x} in the function")
        vmctx = instance()
        print(f"instance: {int(vmctx.address):#x}")
        for member in vmctx.type.fields():
            name, value = member.name, vmctx[member.name]
            if re.fullmatch(r"memory\d*", name):
                print(f"{name}: {extent(vmctx, name):#x} bytes, at {int(value):#x}")
            elif re.fullmatch(r"table\d*", name):
                print(f"{name}: {extent(vmctx, name)} elements")
            elif not re.fullmatch(r"(memory|table)_state\d*", name):
                imported = value.type.code == gdb.TYPE_CODE_PTR
                value = value.dereference() if imported else value
                print(f"global {name}: {value.type} = {value.format_string()}")


class Native(gdb.Function):
    """The native address, `char *`, of an address in linear memory."""

    def __init__(self):
        super().__init__("wasm")

    def invoke(self, address):
        return native(int(address))


class Offsets:
    """Shows frames of wasm as `0x0238 - leaf`."""

    def __init__(self):
        self.name, self.priority, self.enabled = "wasm", 100, True
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        return map(WasmFrame, frames)


class WasmFrame(FrameDecorator):
    def function(self):
        name = super().function()
        offset = offset_of(self.inferior_frame())
        return name if offset is None else f"{hexadecimal(offset)} - {name}"


for command in [
    Wasm, Backtrace, Break, List, Locals, Memory, Table, Info, Native, Offsets
]:
    command()
