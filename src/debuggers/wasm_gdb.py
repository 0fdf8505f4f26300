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


def running():
    if gdb.selected_thread() is None:
        fail("The program is not running.")


def innermost():
    """The innermost frame of wasm, from the selected one outwards."""
    running()
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


class Command(gdb.Command):
    """What is common to all: what gdb refuses is an error of the command."""

    def invoke(self, argument, from_tty):
        try:
            self.run(argument)
        except gdb.error as error:
            fail(str(error))


class Wasm(gdb.Command):
    """WebAssembly: stacks, breakpoints, text, variables, memory and tables.

Offsets are those of the wasm file, as `wasm-objdump -d` prints them."""

    def __init__(self):
        super().__init__("wasm", gdb.COMMAND_USER, gdb.COMPLETE_NONE, True)


class Backtrace(Command):
    """Print the wasm functions that are active, with their offsets.
Usage: wasm bt

Frames of the host are left out; `bt` shows them too."""

    def __init__(self):
        super().__init__("wasm bt", gdb.COMMAND_STACK)

    def run(self, argument):
        running()
        wasm = [f for f in frames(gdb.newest_frame()) if offset_of(f) is not None]
        for place, frame in enumerate(wasm):
            print(f"#{place:02}: {hexadecimal(offset_of(frame))} - {frame.name()}")
        if not wasm:
            fail("No wasm function is active in this thread. (Sources? wasm view offsets)")


class Break(Command):
    """Set a breakpoint.
Usage: wasm break OFFSET | FUNCTION | FUNCTION+OFFSET | $fINDEX [if CONDITION]

OFFSET is one in the wasm file, or in a function from its start. $fINDEX is the
function with this index. Of C++, FUNCTION may go without scopes and parameters, and
is then all that are so called."""

    def __init__(self):
        super().__init__("wasm break", gdb.COMMAND_BREAKPOINTS)
        self.pending = []
        gdb.events.new_objfile.connect(self.on_load)

    def run(self, argument):
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
            for symbol in self.functions(place):
                file = symbol.symtab.filename
                self.limit(gdb.Breakpoint(source=file, function=symbol.name), condition)
        else:
            breakpoint = gdb.Breakpoint(source=self.file(offset), line=offset)
            self.check(breakpoint, offset)
            self.limit(breakpoint, condition)

    def limit(self, breakpoint, condition):
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
        if not plus:
            return None
        found = self.functions(function.strip())
        if len(found) > 1:
            fail(f"Which one? {', '.join(symbol.name for symbol in found)}")
        return found[0].line + number(inside)

    def functions(self, name):
        """All of this name, or with this index; or else those named so in a scope."""
        found = [s for s in gdb.lookup_static_symbols(name) if is_wasm(s.symtab)][:1]
        indexed = re.fullmatch(r"\$f(\d+)", name)
        if indexed:
            found = [symbol for symbol in [self.numbered(indexed[1])] if symbol]
        found = found or list(self.called(name))
        if not found:
            fail(f"No function {name} in the modules that are loaded.")
        return found

    def called(self, name):
        """By names as C++ spells them: what is returned, scopes, parameters."""
        if not re.fullmatch(r"[\w:~]+", name):
            return
        listed = gdb.execute(rf"info functions -q -n \<{name}[(<]", to_string=True)
        file = None
        for line in listed.splitlines():
            if line.startswith("File "):
                file = line[len("File ") : -1]
            start, _, text = line.partition(":\t")
            is_called = re.match(rf"[^(]*?(^|[\s:]){name}[(<]", text)
            if is_called and file.endswith((".wasm", ".wat")):
                pc = gdb.decode_line(f"'{file}':{start}")[1][0].pc
                yield gdb.block_for_pc(pc).function

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


class List(Command):
    """Print wasm instructions around where the program is, or around OFFSET.
Usage: wasm list [OFFSET [COUNT]]

Needs the listing that `wasm2so --listing` writes."""

    def __init__(self):
        super().__init__("wasm list", gdb.COMMAND_FILES)

    def run(self, argument):
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


class Locals(Command):
    """Print parameters, locals and operands of the selected frame.
Usage: wasm locals"""

    def __init__(self):
        super().__init__("wasm locals", gdb.COMMAND_DATA)

    def run(self, argument):
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


class Memory(Command):
    """Print bytes of linear memory.
Usage: wasm memory ADDRESS [COUNT]

Expressions and watchpoints reach it by `$wasm(ADDRESS)`, as in
`watch -location *(int *)$wasm(1024)`."""

    def __init__(self):
        super().__init__("wasm memory", gdb.COMMAND_DATA)

    def run(self, argument):
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


class Table(Command):
    """Print the elements of a table that are known not to be null.
Usage: wasm table [INDEX [FIRST [COUNT]]]

Functions that a table starts with are put into it as they are first called, unless the
table never changes."""

    def __init__(self):
        super().__init__("wasm table", gdb.COMMAND_DATA)

    def run(self, argument):
        index, first, count = ([number(a) for a in gdb.string_to_argv(argument)] + [None] * 3)[:3]
        name = f"table{index or ''}"
        vmctx = instance()
        table = field(vmctx, name)
        length = extent(vmctx, name)
        first = first or 0
        if not 0 <= first <= length:
            fail(f"{first} is out of bounds: the table has {length} elements.")
        last = length if count is None else min(length, first + count)
        print(f"{name}: {length} elements")
        fixed = self.fixed(index or 0)
        names = [self.name(table, fixed, place) for place in range(first, last)]
        for place, name in enumerate(names, first):
            if name:
                print(f"  {place}: {name}")
        if not all(names):
            unbound = "" if fixed else ", or functions that nobody has called there yet"
            print(f"The others are null{unbound}.")

    def fixed(self, index):
        """Where a table that never changes is in the file: for each element, how far
        its code is from there, then for each a type."""
        file = innermost().find_sal().symtab.objfile
        symbol = file.lookup_static_symbol(f"wasm2so.table.{index}")
        return symbol and symbol.value()

    def name(self, table, fixed, place):
        if fixed:
            _, last = fixed.type.range()
            distance = int(fixed[place]) if 2 * place < last else 0
            code = distance and int(fixed.address) + distance
        else:
            element = table[place]
            if not int(element):
                return None
            if str(element.type) != "funcref":
                return element.format_string()
            code = int(element["local_code"]) or int(element["code"])
        if not code:
            return None
        symbol = gdb.execute(f"info symbol {code:#x}", to_string=True)
        return re.sub(r" in section .*", "", symbol.strip())


class Info(Command):
    """Print where the selected frame is, and its instance.
Usage: wasm info"""

    def __init__(self):
        super().__init__("wasm info", gdb.COMMAND_STATUS)

    def run(self, argument):
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
        running()
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
