#!/usr/bin/python3
"""Check that duplicates.py finds each kind of copy in a small tree, and reports nothing else."""

import pathlib
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(__file__).with_name("duplicates.py")

# Ten lines of code.
ORIGINAL = """\
static bool copy_names(struct names *out, const struct text *text, size_t n)
{
    size_t done = 0;
    if (!out || n == 0)
        return false; /* nothing to do */
    for (size_t i = 0; i < n; i++) {
        out->list[i] = strdup(text[i].bytes);
        done += out->list[i] != NULL;
    }
    log_number("copied", done, 10);
    out->n = done;
    return done == n;
}
"""
RENAMED = (ORIGINAL.replace("copy_names", "clone_cities").replace("names", "cities")
           .replace("done", "complete").replace('"copied"', '"cities"').replace("10", "0x2f"))
WRAPPED = (ORIGINAL.replace("copy_names(", "copy_all_names_of_the_directory(\n    ")
           .replace("log_number(", "log_number_of_the_directory(\n        "))
SPACED = ORIGINAL.replace(";\n", ";\n\n    /* text */\n").replace(") {", ")\n    {")
NINE_LINES = ORIGINAL.replace("    out->n = done;\n", "").replace("    size_t done = 0;\n", "")
CHANGED = ORIGINAL.replace("    out->n = done;\n", "    if (done > 5)\n        out->n = done;\n")
MACRO = ("#define COPY(out, text, n) \\\n"
         + "\n".join(line + " \\" for line in ORIGINAL.split("{\n", 1)[1].rsplit("}\n", 1)[0].splitlines())
         + "\n    out->last = 0; \\\n    out->next = 0\n")
SHORT_MACRO = "#define COPY(out, n) \\\n    do { \\\n        (out)->n = (n); \\\n    } while (0)\n"

BODY = ORIGINAL.split("{\n", 1)[1].rsplit("}\n", 1)[0]
# With the line before each, ten lines.
BODY_TWICE = "int all(void)\n{\n    out->last = 0;\n" + BODY + "    out->first = 0;\n" + BODY + "}\n"

NUMBERS = [f"    uint32_t {{0}}{i};" for i in range(12)]
STRUCT = "struct {0} {{{{\n".format("{0}") + "\n".join(NUMBERS) + "\n}};\n"
ENUM = "enum {0} {{\n" + "".join(f"    {{0}}_{i},\n" for i in range(12)) + "}};\n"
TABLE = ("static const struct row {0}[] = {{\n"
         + "".join(f'    {{{{"{i}", {i}}}}},\n' for i in range(12)) + "}};\n")
PROTOTYPES = "".join(f"int {{0}}_{i}(struct {{0}} *it, size_t n);\n" for i in range(12))
ROWS = ("#define {0}_ROWS(X) \\\n" + "".join(f'    X({{0}}_{i}, "{i}") \\\n' for i in range(12))
        + "    X(LAST, \"\")\n")
INCLUDES = "".join(f'#include "{{0}}/{i}.h"\n' for i in range(12))
LITERAL = ("struct row {0}(void)\n{{\n    return (struct row){{\n"
           + "".join(f"        .m{i} = {i},\n" for i in range(12)) + "    }};\n}}\n")
SWITCH = ("int {0}(int n)\n{{\n    switch (n) {{\n"
          + "".join(f"    case {{0}}_{i}:\n        return {i};\n" for i in range(6)) + "    }}\n}}\n")
# Nine lines in each; consecutive only if the end of a file does not end a run.
HALVES = ["int a(void)\n{\n    b();\n    c(1);\n    d(1, 2);\n    e(1, 2, 3);\n}\n",
          "int a(int n)\n{\n    b(n);\n    c(1, n);\n    d(1, 2 + n);\n    e(1, 2, n + 3);\n}\n"]


def with_two_names(text):
    return {"src/base/a.c": text.format("first"), "src/net/b.c": text.format("second")}


# Description, files, number of faults.
CASES = [
    ("an exact copy", {"src/base/a.c": ORIGINAL, "src/net/b.c": ORIGINAL}, 1),
    ("a copy in a header", {"include/base/a.h": ORIGINAL, "src/net/b.c": ORIGINAL}, 1),
    ("a copy in the same file", {"src/base/a.c": ORIGINAL + "int gap(void)\n{\n}\n" + ORIGINAL}, 1),
    ("a copy in the same function", {"src/base/a.c": BODY_TWICE}, 1),
    ("a copy with other names and literals", {"src/base/a.c": ORIGINAL, "src/net/b.c": RENAMED}, 1),
    ("a copy with wrapped lines", {"src/base/a.c": ORIGINAL, "src/net/b.c": WRAPPED}, 1),
    ("a copy with other comments and blank lines", {"src/base/a.c": ORIGINAL, "src/net/b.c": SPACED}, 1),
    ("a copy in a macro", {"src/base/a.c": MACRO, "src/net/b.c": MACRO.replace("COPY", "CLONE")}, 1),
    ("three copies", {"src/base/a.c": ORIGINAL, "src/net/b.c": RENAMED, "src/net/c.c": WRAPPED}, 3),
    ("nine lines", {"src/base/a.c": NINE_LINES, "src/net/b.c": NINE_LINES}, 0),
    ("a copy with an inserted line", {"src/base/a.c": ORIGINAL, "src/net/b.c": CHANGED}, 0),
    ("short copies that follow each other in different files",
     {"src/base/a.c": HALVES[0], "src/base/b.c": HALVES[1], "src/net/a.c": HALVES[0],
      "src/net/b.c": HALVES[1]}, 0),
    ("a short macro", {"src/base/a.c": SHORT_MACRO, "src/net/b.c": SHORT_MACRO}, 0),
    ("structs of the same shape", with_two_names(STRUCT), 0),
    ("enumerators", with_two_names(ENUM), 0),
    ("tables", with_two_names(TABLE), 0),
    ("prototypes", with_two_names(PROTOTYPES), 0),
    ("X-macro tables", with_two_names(ROWS), 0),
    ("includes", with_two_names(INCLUDES), 0),
    ("compound literals", with_two_names(LITERAL), 0),
    ("switches over constants", with_two_names(SWITCH), 0),
]


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run([sys.executable, TOOL, root], capture_output=True, text=True, check=False)


def main():
    bad = 0
    for name, files, want in CASES:
        result = run(files)
        good = result.stdout.endswith(f", {want} faults\n") and result.returncode == int(want > 0)
        bad += not good
        print(f"ok   {name}" if good else f"FAIL {name}: want {want} faults, exit status "
              f"{result.returncode}:\n{result.stdout}{result.stderr}")
    sys.exit(bad > 0)


main()
