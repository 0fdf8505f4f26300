# For gdb: stops at lines of a file, given in the environment, and tells for each
# stop where it is and what variables are, in a form that does not depend on
# addresses. Variables are told from the line after that of their declaration.
import gdb, os

FILE, LINES, COUNT = os.environ["STOPS_FILE"], os.environ["STOPS_LINES"], int(os.environ["STOPS"])
SCALARS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_FLT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL,
           gdb.TYPE_CODE_ENUM)

def is_own(name):
    # Not of a library, which is another one on this machine.
    return name and not name.startswith(("__", "_vptr", "std::", "_M"))

def show(value, depth):
    kind = value.type.strip_typedefs()
    if value.is_optimized_out:
        return "?"
    if kind.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        fields = [f for f in kind.fields() if is_own(f.name) and hasattr(f, "bitpos")]
        return "{%s}" % " ".join("%s=%s" % (f.name, show(value[f], depth)) for f in fields)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        return "[%s]" % " ".join(show(value[i], depth) for i in range(first, last + 1))
    if kind.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        return show(value.referenced_value(), depth)
    if kind.code == gdb.TYPE_CODE_PTR:
        if int(value) == 0:
            return "null"
        return "->" + show(value.dereference(), depth - 1) if depth else "->"
    if kind.code in SCALARS:
        return str(value)
    return "(%s)" % kind.code

def variables(frame):
    found, block = {}, frame.block()
    line = frame.find_sal().line
    while block and not block.is_global:
        for symbol in block:
            is_set = block.is_static or symbol.line < line
            if not (symbol.is_variable or symbol.is_argument) or not is_own(symbol.name):
                continue
            if is_set and symbol.name not in found:
                if not symbol.symtab.filename.endswith(FILE):
                    continue
                try:
                    found[symbol.name] = show(symbol.value(frame), 3)
                except gdb.error:
                    found[symbol.name] = "?"
        if block.is_static:
            break
        block = block.superblock
    return " ".join("%s=%s" % item for item in sorted(found.items()))

def stopped():
    frame = gdb.selected_frame()
    names = []
    while frame and (frame.find_sal().symtab is None or
                     frame.find_sal().symtab.filename.endswith(FILE)):
        names.append("%s:%d" % (frame.name(), frame.find_sal().line))
        frame = frame.older()
    print("STOP %s | %s" % (" < ".join(names), variables(gdb.selected_frame())))

for line in LINES.split(","):
    gdb.execute("break %s:%s" % (FILE, line))
gdb.execute("run")
for _ in range(COUNT):
    if not gdb.selected_inferior().pid or not gdb.selected_thread():
        break
    stopped()
    gdb.execute("continue")
