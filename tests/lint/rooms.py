#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The rooms of the house and their arrows, read from relay/rooms and from the sources; no build is needed.

usage: rooms.py [rooms|arrows|circles|callbacks]     prints each room with what it uses, or one gate's complaints

A file uses another where it includes it, or where it names a function or a table that the other defines and
that a declaration lets it see. Sources are formatted, so that a definition begins in the first column.
"""
import os
import re
import subprocess
import sys

TABLE = "relay/rooms"
HEADER = "its header"
ABOVE = ("relay/main.c", "tests/", "man/")  # these may use every room
PRIVATE = re.compile(r"(\w+_)?(inside|internal|thread)\.h$")


def tracked(root, *endings):
    """Files of the tree: what git knows plus what it would add; every file where there is no git."""
    run = subprocess.run(["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
                         capture_output=True)
    if run.returncode == 0 and os.path.exists(os.path.join(root, ".git")):
        names = run.stdout.decode().split("\0")
    else:
        names = [os.path.relpath(os.path.join(d, f), root)
                 for d, _, fs in os.walk(root) for f in fs]
    return sorted(n for n in names if n.endswith(endings) and not n.startswith("build/")
                  and os.path.isfile(os.path.join(root, n)))


def text_of(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def code_of(text):
    """The text without comments and without what stands in quotes, line for line."""
    def blank(match):
        kept = match[0] if match[0].startswith("#") else ""
        return kept + "\n" * (match[0].count("\n") - kept.count("\n"))
    return re.sub(r'^#\s*include[^\n]*|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S | re.M)


def includes(text):
    """(line, in quotes, what) of each include."""
    for n, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield n, match[1] == '"', match[2]


FUNCTION = re.compile(r"^(?!else\b|return\b)(\w[\w \t*]*?[ *])(\w+)\([^;{}]*\)\s*\n\{", re.M)
DECLARATION = re.compile(r"^(?!static\b|return\b|typedef\b)\w[^;{}()#]*?\b(\w+)(?:\([^;{}]*\)|\[[^;{}]*\])?[^;{}()]*;", re.M)
VALUE = re.compile(r"^((?:const |static |struct |enum |unsigned )*\w+ (?:\*|const |\*const )*)(\w+)(?:\[[^\]\n]*\])* =", re.M)


def definitions(code):
    """{name: static or not} of the functions and of the values with a beginning that this code defines."""
    found = {}
    for pattern in (FUNCTION, VALUE):
        for match in pattern.finditer(code):
            found[match[2]] = "static" in match[1].split()
    return found


def names_used(code):
    """Identifiers, without members of structures."""
    code = re.sub(r"^#\s*include[^\n]*", "", code, flags=re.M)  # a header's name may be a function's
    return set(re.findall(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)", code))


class House:
    def __init__(self, root):
        self.root = root
        self.rooms = {}  # folder -> what it holds, in their order
        if os.path.exists(os.path.join(root, TABLE)):
            for line in text_of(root, TABLE).split("\n"):
                match = re.match(r"([a-z/]+)\s+(\S.*)", line)
                if match:
                    self.rooms[match[1]] = match[2]
        self.order = {folder: n for n, folder in enumerate(self.rooms)}
        self.files = tracked(root, ".c", ".h")
        self.text = {name: text_of(root, name) for name in self.files}
        self.code = {name: code_of(self.text[name]) for name in self.files}
        self.defined = {}  # a public name -> the file that defines it
        for name in self.files:
            if name.endswith(".c") and self.room(name):
                for symbol, static in definitions(self.code[name]).items():
                    if not static:
                        self.defined[symbol] = name
        self.declared = {name: set(DECLARATION.findall(self.code[name])) for name in self.files}
        self._uses, self._seen = {}, {}

    def room(self, name):
        folder = os.path.dirname(name)
        return folder if folder in self.rooms else None

    def sees(self, name):
        """The names that a file knows by a declaration, its own or one of a header that reaches it."""
        if name not in self._seen:
            self._seen[name] = set(self.declared[name])
            for _, ours, target in includes(self.text[name]):
                if ours and target in self.text:
                    self._seen[name] |= self.sees(target)
        return self._seen[name]

    def uses(self, name):
        """{file used: why}: by include, else by a name."""
        if name not in self._uses:
            found = {target: HEADER for _, ours, target in includes(self.text[name])
                     if ours and target in self.text}
            own = definitions(self.code[name])
            for symbol in names_used(self.code[name]) & self.sees(name) if name.endswith(".c") else ():
                where = self.defined.get(symbol)
                if where and where != name and symbol not in own:
                    found[where] = symbol
            self._uses[name] = found
        return self._uses[name]

    def arrows(self):
        """{room: rooms that it uses, in order}"""
        found = {room: set() for room in self.rooms}
        for name in self.files:
            if self.room(name):
                found[self.room(name)] |= {self.room(used) for used in self.uses(name)}
        return {room: sorted(used - {room, None}, key=self.order.get) for room, used in found.items()}

    def circles(self, room):
        """Files of a room that lead back to each other: more than two sources by whom they call, or headers by
        what they include. That a source includes the header of its caller, for the types, makes no circle."""
        calls, headers = {}, {}
        for name in self.files:
            if self.room(name) == room:
                graph = headers if name.endswith(".h") else calls
                graph[name] = {used for used, why in self.uses(name).items()
                               if self.room(used) == room and used.endswith(name[-2:])
                               and (why != HEADER or graph is headers)}
        return ([sorted(group) for group in components(calls) if len(group) > 2]
                + [sorted(group) for group in components(headers) if len(group) > 1])


def components(graph):
    """Strongly connected components (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            found.append(group)

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def gate_rooms(root):
    """Each folder with sources is in the table, and each line of the table is a folder with sources."""
    house = House(root)
    folders = {os.path.dirname(name) for name in house.files if not name.startswith(ABOVE)}
    return ([f"{folder}: no line of {TABLE} says what it holds" for folder in sorted(folders - set(house.rooms))]
            + [f"{TABLE}: {folder} has no source" for folder in house.rooms if folder not in folders])


def gate_arrows(root):
    house, bad = House(root), []
    for name in house.files:
        room = house.room(name)
        for n, ours, target in includes(house.text[name]):
            if ours and "/" not in target:
                bad.append(f"{name}:{n}: \"{target}\" does not name its folder")
            elif ours and room and target.startswith(("tests/", "man/")):
                bad.append(f"{name}:{n}: {room} may not include {target}")
            elif ours and PRIVATE.search(target) and not name.startswith("tests/") \
                    and os.path.dirname(target) != os.path.dirname(name):
                bad.append(f"{name}:{n}: {target} is its room's own")
        for used, why in sorted(house.uses(name).items() if room else ()):
            above = house.room(used)
            if above and house.order[above] > house.order[room]:
                bad.append(f"{name}: {room} runs up to {used} ({why})")
    return bad


def gate_circles(root):
    house = House(root)
    return [f"{room}: a circle of {len(circle)}: {' '.join(os.path.basename(name) for name in circle)}"
            for room in house.rooms for circle in house.circles(room)]


def gate_callbacks(root):
    """A backtrace names functions, not files: what is called through a pointer, and a name that many files
    use, carries its file's name."""
    house, bad, where = House(root), [], {}
    sources = [name for name in house.files if house.room(name) and name.endswith(".c")]
    static = {name: [s for s, is_static in definitions(house.code[name]).items()
                     if is_static and re.search(rf"\b{s}\([^;]*?\)\s*\n\{{", house.code[name])] for name in sources}
    for name in sources:
        for symbol in static[name]:
            where.setdefault(symbol, []).append(name)
    for name in sources:
        stem = os.path.splitext(os.path.basename(name))[0]
        for symbol in static[name]:
            if re.search(rf"(^|_){stem}(_|$)", symbol):
                continue
            if re.search(rf"(?<![\w.])(?<!->){symbol}\b(?!\s*\()", house.code[name]):
                bad.append(f"{name}: {symbol} is a callback and does not carry its file's name")
            elif len(where[symbol]) >= 3:
                bad.append(f"{name}: {symbol} stands in {len(where[symbol])} files and does not carry its file's name")
    return bad


def picture(root):
    """A line a room: what it uses of the rooms before it."""
    arrows = House(root).arrows()
    wide = max((len(room) for room in arrows), default=0)
    return [f"{room:{wide}}  {' '.join(os.path.basename(other) for other in used) or '-'}"
            for room, used in arrows.items()]


def main(argv):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    shown = {"rooms": gate_rooms, "arrows": gate_arrows, "circles": gate_circles, "callbacks": gate_callbacks}
    print("\n".join((shown[argv[1]] if len(argv) > 1 else picture)(root)))


if __name__ == "__main__":
    main(sys.argv)
