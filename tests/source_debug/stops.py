# For gdb: tells, at some stops of a program, where it is and what variables are, in
# a form that does not depend on addresses. Variables are told from the line after
# that of their declaration. The environment says where to stop: at lines of a file,
# at some of the arrivals, chosen at random; or, without lines, at all calls of
# `probe`, where callers are looked at.
import gdb, os, random, re

FILE = os.environ["STOPS_FILE"]
LINES = os.environ.get("STOPS_LINES")
ARRIVALS = int(os.environ.get("STOPS_ARRIVALS", 0))
CHOSEN = set(random.Random(1).sample(range(ARRIVALS), int(os.environ.get("STOPS", 0))))
SCALARS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_FLT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL,
           gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_RANGE)

def is_own(name):
    # Not of a library, which is another one on this machine.
    return name and not name.startswith(("__", "_vptr", "std::", "_M", "iter", "vtable"))

def show(path, read, depth, found):
    """Adds what `read` reads at `path`, by the path of each part that has no parts."""
    try:
        value = read()
        kind = value.type.strip_typedefs()
        if value.is_optimized_out:
            found[path] = "?"
        elif kind.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            for field in kind.fields():
                if is_own(field.name) and hasattr(field, "bitpos"):
                    name = "" if field.is_base_class else "." + field.name
                    show(path + name, lambda: value[field], depth, found)
        elif kind.code == gdb.TYPE_CODE_ARRAY and kind.name:
            # An enumeration behind a pointer.
            show(path, lambda: value[0], depth, found)
        elif kind.code == gdb.TYPE_CODE_ARRAY:
            first, last = kind.range()
            for i in range(first, last + 1):
                show("%s[%d]" % (path, i), lambda: value[i], depth, found)
        elif kind.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            show(path, value.referenced_value, depth, found)
        elif kind.code == gdb.TYPE_CODE_PTR:
            if int(value) == 0:
                found[path] = "null"
            elif depth:
                show(path + "->", value.dereference, depth - 1, found)
        elif kind.code in SCALARS:
            found[path] = str(value)
    except gdb.error:
        found[path] = "?"

def variables(frame):
    seen, found, block = set(), {}, frame.block()
    line = frame.find_sal().line
    while block and not block.is_global:
        for symbol in block:
            is_set = block.is_static or symbol.line < line
            if not (symbol.is_variable or symbol.is_argument) or not is_own(symbol.name):
                continue
            if not symbol.symtab.filename.endswith(FILE) or symbol.name in seen or not is_set:
                continue
            seen.add(symbol.name)
            show(symbol.name, lambda: symbol.value(frame), 3, found)
        if block.is_static:
            break
        block = block.superblock
    return found

def tell(frame):
    names, first = [], frame
    while frame and (frame.find_sal().symtab is None or
                     frame.find_sal().symtab.filename.endswith(FILE)):
        name = re.sub(r"[\[<(].*", "", frame.name() or "?")
        names.append("%s:%d" % (name, frame.find_sal().line))
        frame = frame.older()
    found = sorted(variables(first).items())
    print("STOP " + "\t".join([" < ".join(names)] + ["%s=%s" % item for item in found]))

class Line(gdb.Breakpoint):
    arrivals = 0

    def stop(self):
        Line.arrivals += 1
        return Line.arrivals - 1 in CHOSEN

if LINES:
    for line in LINES.split(","):
        Line("%s:%s" % (FILE, line))
else:
    gdb.Breakpoint(function=os.environ["STOPS_PROBE"], qualified=True)
gdb.execute("run")
while gdb.selected_inferior().pid and gdb.selected_thread():
    frame = gdb.selected_frame()
    if LINES:
        tell(frame)
    else:
        # Callers, the innermost and those around.
        for _ in range(4):
            frame = frame.older()
            if frame is None or frame.find_sal().symtab is None:
                break
            if frame.find_sal().symtab.filename.endswith(FILE):
                tell(frame)
    gdb.execute("continue")
print("ARRIVALS %d" % Line.arrivals)
