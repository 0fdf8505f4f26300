"""WebAssembly in lldb: the commands `wasm ...`. Everything they know comes from the
debug information of the file: a line number is an offset in the wasm file, `vmctx`
is the instance. Load with `command script import`."""

import re
import shlex
import lldb


class Failure(Exception):
    pass


def offset_of(frame):
    """The wasm offset at which a frame is, or None for a frame of the host."""
    entry = frame.GetLineEntry()
    name = entry.GetFileSpec().GetFilename() or ""
    return entry.GetLine() if name.endswith((".wasm", ".wat")) and entry.GetLine() else None


def hexadecimal(offset):
    return f"{offset:#06x}"


class Command:
    """What is common to all: failures are errors of the command."""

    def __init__(self, debugger, internal):
        pass

    def get_short_help(self):
        return self.__doc__.splitlines()[0]

    def get_long_help(self):
        return self.__doc__

    def __call__(self, debugger, argument, context, result):
        self.context, self.result = context, result
        try:
            self.run(shlex.split(argument))
        except Failure as failure:
            result.SetError(str(failure))

    def print(self, text):
        self.result.AppendMessage(text)

    def thread(self):
        thread = self.context.GetThread()
        if not thread.IsValid():
            raise Failure("The program is not running.")
        return thread

    def innermost(self):
        """The innermost frame of wasm, from the selected one outwards."""
        thread = self.thread()
        for frame in thread.frames[self.context.GetFrame().GetFrameID() :]:
            if offset_of(frame) is not None:
                return frame
        raise Failure("No wasm function is active here.")

    def instance(self):
        """What `vmctx` points at, in the first frame that knows it."""
        thread = self.thread()
        for frame in thread.frames[self.innermost().GetFrameID() :]:
            vmctx = frame.FindVariable("vmctx")
            if vmctx.IsValid() and vmctx.GetError().Success() and vmctx.GetValueAsUnsigned():
                return vmctx.Dereference()
        raise Failure("The instance is not known here: compile with -Og or --debug=full.")

    def field(self, vmctx, name):
        value = vmctx.GetChildMemberWithName(name)
        if not value.IsValid():
            raise Failure(f"The module has no {name}.")
        return value

    def extent(self, vmctx, name):
        """The bytes of a memory, or the elements of a table."""
        kind = re.match("memory|table", name)[0]
        state = self.field(vmctx, name.replace(kind, f"{kind}_state"))
        length = "byte_len" if kind == "memory" else "len"
        return state.GetChildMemberWithName(length).GetValueAsUnsigned()

    def number(self, text):
        try:
            return int(text, 0)
        except ValueError:
            value = self.context.GetFrame().EvaluateExpression(text)
            if value.GetError().Fail():
                raise Failure(f"{text} is no number.")
            return value.GetValueAsUnsigned()


class Bt(Command):
    """Print the wasm functions that are active, with their offsets.
Usage: wasm bt

Frames of the host are left out; `bt` shows them too."""

    def run(self, arguments):
        frames = [f for f in self.thread().frames if offset_of(f) is not None]
        for place, frame in enumerate(frames):
            name = frame.GetDisplayFunctionName()
            self.print(f"#{place:02}: {hexadecimal(offset_of(frame))} - {name}")
        if not frames:
            raise Failure("No wasm function is active in this thread.")


class Break(Command):
    """Set a breakpoint.
Usage: wasm break OFFSET | FUNCTION | FUNCTION+OFFSET | $fINDEX

OFFSET is one in the wasm file, or in a function from its start. $fINDEX is the
function with this index. Functions may be of a module that is not loaded yet."""

    def run(self, arguments):
        if len(arguments) != 1:
            raise Failure("Where? Give an offset, a function, or FUNCTION+OFFSET.")
        target, place = self.context.GetTarget(), arguments[0]
        if not any(self.files(target)):
            self.await_module(target, place)
            return
        function, plus, inside = place.rpartition("+")
        if re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", place):
            offset = int(place, 0)
        elif plus:
            offset = self.function(function).GetStartAddress().GetLineEntry().GetLine()
            offset += self.number(inside)
        else:
            address = self.function(place).GetStartAddress()
            name = address.GetFunction().GetName()
            modules, units = lldb.SBFileSpecList(), lldb.SBFileSpecList()
            units.Append(address.GetLineEntry().GetFileSpec())
            self.report(target.BreakpointCreateByName(name, modules, units))
            return
        files = sorted({str(f) for f in self.files(target)})
        if len(files) != 1:
            raise Failure(f"Of which module? The files are: {', '.join(files) or 'none yet'}.")
        self.report(target.BreakpointCreateByLocation(files[0], offset))

    def await_module(self, target, place):
        """As symbols are named, which no function of the host is."""
        index = re.fullmatch(r"\$f(\d+)", place)
        if "+" in place or place[:1].isdigit():
            raise Failure("No module is loaded yet. Set a breakpoint in a function and run.")
        name = rf"^wasm\[{index[1]}\]::" if index else rf"^wasm\[[0-9]+\]::{re.escape(place)}$"
        self.report(target.BreakpointCreateByRegex(name))

    def report(self, breakpoint):
        text = lldb.SBStream()
        breakpoint.GetDescription(text)
        self.print(text.GetData().splitlines()[0])

    def files(self, target):
        for module in target.module_iter():
            for unit in module.compile_units:
                name = unit.GetFileSpec().GetFilename() or ""
                if name.endswith((".wasm", ".wat")):
                    yield unit.GetFileSpec().GetFilename()

    def function(self, name):
        """By its name, or by the symbol table, whose names begin with the index."""
        index = re.fullmatch(r"\$f(\d+)", name)
        wanted = f"wasm[{index[1]}]::" if index else None
        for module in self.context.GetTarget().module_iter():
            if not module.FindSymbol("wasm2so_module_v1").IsValid():
                continue
            for symbol in module.symbols:
                full = symbol.GetName() or ""
                found = full.startswith("wasm[") and full.partition("::")[2] == name
                if found or wanted and full.startswith(wanted):
                    return symbol
        raise Failure(f"No function {name} in the modules that are loaded.")


class List(Command):
    """Print wasm instructions around where the program is, or around OFFSET.
Usage: wasm list [OFFSET [COUNT]]

Needs the listing that `wasm2so --listing` writes."""

    def run(self, arguments):
        frame = self.innermost()
        here = offset_of(frame)
        around = self.number(arguments[0]) if arguments else here
        count = self.number(arguments[1]) if len(arguments) > 1 else 11
        listing = frame.GetLineEntry().GetFileSpec().fullpath
        try:
            with open(listing, encoding="utf-8", errors="strict") as file:
                lines = [(n, text) for n, text in enumerate(file, 1) if text.strip()]
        except (OSError, UnicodeDecodeError):
            raise Failure(f"{listing} is no listing: compile with --listing.")
        after = next((i for i, (n, _) in enumerate(lines) if n > around), len(lines))
        first = max(0, after - 1 - count // 2)
        for n, text in lines[first : first + count]:
            self.print(f"{'=>' if n == here else '  '} {hexadecimal(n)}: {text.rstrip()}")


class Locals(Command):
    """Print parameters, locals and operands of the selected frame.
Usage: wasm locals"""

    def run(self, arguments):
        shown = [v for v in self.innermost().GetVariables(True, True, False, True)]
        shown = [v for v in shown if v.GetName() != "vmctx"]
        for value in shown:
            text = value.GetValue() or value.GetSummary() or "<not available>"
            self.print(f"{value.GetName()}: {value.GetTypeName()} = {text}")
        if not shown:
            self.print("No parameters, locals or operands.")


class Memory(Command):
    """Print bytes of linear memory.
Usage: wasm memory ADDRESS [COUNT]"""

    def run(self, arguments):
        if not arguments:
            raise Failure("Give an address in linear memory.")
        address = self.number(arguments[0])
        count = self.number(arguments[1]) if len(arguments) > 1 else 64
        vmctx = self.instance()
        length = self.extent(vmctx, "memory")
        if not 0 <= address < length:
            raise Failure(f"{address:#x} is out of bounds: the memory has {length:#x} bytes.")
        base, error = self.field(vmctx, "memory").GetValueAsUnsigned(), lldb.SBError()
        count = min(count, length - address)
        data = self.context.GetProcess().ReadMemory(base + address, count, error)
        for start in range(0, count, 16):
            row = data[start : start + 16]
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
            self.print(f"{address + start:#010x}: {row.hex(' '):47}  {text}")


class Table(Command):
    """Print the elements of a table that are known not to be null.
Usage: wasm table [INDEX [FIRST [COUNT]]]

Functions that a table starts with are put into it as they are first called, unless the
table never changes."""

    def run(self, arguments):
        index, first, count = ([self.number(a) for a in arguments] + [None] * 3)[:3]
        name, vmctx = f"table{index or ''}", self.instance()
        table = self.field(vmctx, name)
        length = self.extent(vmctx, name)
        first = first or 0
        last = length if count is None else min(length, first + count)
        self.print(f"{name}: {length} elements")
        fixed = self.fixed(index or 0)
        codes = [self.code(table, fixed, place) for place in range(first, last)]
        for place, code in enumerate(codes, first):
            if code:
                address = self.context.GetTarget().ResolveLoadAddress(code)
                self.print(f"  {place}: {address.GetSymbol().GetName() or hex(code)}")
        if not all(codes):
            unbound = "" if fixed else ", or functions that nobody has called there yet"
            self.print(f"The others are null{unbound}.")

    def fixed(self, index):
        """Where a table that never changes is in the file: for each element, how far
        its code is from there, then for each a type."""
        target, module = self.context.GetTarget(), self.innermost().GetModule()
        return next(iter(module.FindGlobalVariables(target, f"wasm2so.table.{index}", 1)), None)

    def code(self, table, fixed, place):
        if fixed:
            known = 2 * place < fixed.GetNumChildren()
            distance = known and fixed.GetChildAtIndex(place).GetValueAsSigned()
            return distance and fixed.GetLoadAddress() + distance
        element = table.GetChildAtIndex(place, lldb.eNoDynamicValues, True)
        entries = [element.GetChildMemberWithName(name) for name in ("local_code", "code")]
        return next((e.GetValueAsUnsigned() for e in entries if e.GetValueAsUnsigned()), 0)


class Info(Command):
    """Print where the selected frame is, and its instance.
Usage: wasm info"""

    def run(self, arguments):
        frame = self.innermost()
        offset, function = offset_of(frame), frame.GetFunction()
        name = frame.GetDisplayFunctionName()
        self.print(f"module:   {frame.GetLineEntry().GetFileSpec().GetFilename()}, "
                   f"in {frame.GetModule().GetFileSpec().fullpath}")
        self.print(f"function: {name}")
        self.print(f"offset:   {hexadecimal(offset)}")
        vmctx = self.instance()
        for member in vmctx:
            name = member.GetName()
            if re.fullmatch(r"memory\d*", name):
                length = self.extent(vmctx, name)
                self.print(f"{name}: {length:#x} bytes, at {member.GetValueAsUnsigned():#x}")
            elif re.fullmatch(r"table\d*", name):
                self.print(f"{name}: {self.extent(vmctx, name)} elements")
            elif not re.fullmatch(r"(memory|table)_state\d*", name):
                member = member.Dereference() if member.GetType().IsPointerType() else member
                self.print(f"global {name}: {member.GetTypeName()} = {member.GetValue()}")


def __lldb_init_module(debugger, internal):
    run = debugger.HandleCommand
    run('command container add -o -h "WebAssembly: stacks, breakpoints, text, variables, '
        'memory and tables." wasm')
    for command in [Bt, Break, List, Locals, Memory, Table, Info]:
        name = command.__name__
        run(f"command script add -o -c {__name__}.{name} wasm {name.lower()}")
    add_formats(run)
