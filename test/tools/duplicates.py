#!/usr/bin/python3
"""Find duplicated code in src/ and include/, also if the copy has other names.

    duplicates.py [ROOT]     ROOT is the tree to check; default: the tree of this script

A fault is ten or more consecutive lines of code that have the same shape in two places. The shape
of a statement is its tokens, with one symbol for every name and another for every literal.
Statements are compared, not lines, so a copy is also found if longer names wrap its lines. If the
two copies have different numbers of lines, the smaller number counts. Prints one line per fault,
and exits with 1 if there are any.

These are not compared:
  comments, blank lines, lines that contain only braces
  preprocessor lines         Includes must be repeated; constants and X-macro tables are data. The
                             body of any other macro of several lines is compared.
  initialisers, enumerators  They are data: the rows of a table are meant to look alike.
  declarations               A prototype repeats its definition, and contains no code.
  case labels                A switch that maps constants to values is a table too. The statements
                             after the labels are compared.
The members of a struct are compared by name: a list of numbers is not a copy of another list.
"""

import collections
import pathlib
import re
import sys

LINES_MAX = 9
# Exceptions: (reason, file, file).
AGREED = []

KEYWORDS = set("""
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union unsigned
    void volatile while bool true false NULL""".split())
TOKEN = re.compile(r"""
    (?P<skip> /\*.*?\*/ | //[^\n]* | \s+)
  | (?P<literal> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<name> [A-Za-z_]\w*)
  | (?P<mark> -> | \+\+ | -- | <<=? | >>=? | [-+*/%&|^<>=!]= | && | \|\| | \.\.\. | .)
  """, re.DOTALL | re.VERBOSE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
COMMENT_OR_STRING = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)
CODE_MACRO = re.compile(r"[ \t]*#[ \t]*define[ \t]+\w+(?:\([^)]*\))?(?P<body>[ \t]*\\\n.*)", re.DOTALL)

Token = collections.namedtuple("Token", "kind text line")
Statement = collections.namedtuple("Statement", "file shape first last n")


def blank(text):
    """As many newlines, so that later lines keep their numbers."""
    return "\n" * text.count("\n")


def without_comments(text):
    return COMMENT_OR_STRING.sub(lambda m: blank(m[0]) + " " if m[0][0] == "/" else m[0], text)


def without_directives(text):
    def replace(match):
        macro = CODE_MACRO.match(match[0])
        if not macro or re.search(r"\bX\(", match[0]):
            return blank(match[0])
        return blank(match[0][:macro.start("body")]) + "{" + macro["body"].replace("\\\n", "\n") + ";}"
    return DIRECTIVE.sub(replace, text)


def tokens(text):
    found, line = [], 1
    for match in TOKEN.finditer(without_directives(without_comments(text))):
        if match.lastgroup != "skip":
            found.append(Token(match.lastgroup, match[0], line))
        line += match[0].count("\n")
    return found


def end_of_braces(all_tokens, i):
    """The index of the brace that closes the one at i."""
    depth = 0
    while i < len(all_tokens):
        depth += (all_tokens[i].text == "{") - (all_tokens[i].text == "}")
        if depth == 0:
            break
        i += 1
    return i


def outside_parentheses(words):
    depth = 0
    for word in words:
        depth -= word in (")", "]")
        if depth == 0:
            yield word
        depth += word in ("(", "[")


def opens_data(words):
    """Whether a brace behind these words opens an initialiser or enumerators."""
    outer = list(outside_parentheses(words))
    in_parentheses = words.count("(") > words.count(")")
    return in_parentheses or "=" in outer or "return" in outer or ("enum" in outer and "(" not in outer)


def opens_members(words):
    return ")" not in words and ("struct" in words or "union" in words)


def shape_of(statement, keep_names):
    def symbol(token):
        if token.kind == "literal":
            return "0"
        return token.text if token.kind == "mark" or keep_names or token.text in KEYWORDS else "x"
    return " ".join(symbol(token) for token in statement)


def statements(file, text):
    """The statements of a file, and what is before each opening brace, in order."""
    found, current, blocks, depth = [], [], [], 0
    all_tokens = tokens(text)

    def end(keep=True):
        words = [token.text for token in current]
        if keep and words not in ([], [";"]):
            lines = {token.line for token in current}
            found.append(Statement(file, shape_of(current, "members" in blocks), min(lines),
                                   max(lines), len(lines)))
        current.clear()

    i = 0
    while i < len(all_tokens):
        token = all_tokens[i]
        words = [t.text for t in current]
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "{" and opens_data(words):
            i = end_of_braces(all_tokens, i)
        elif token.text == "{":
            members = opens_members(words)
            end()
            blocks.append("members" if members else "code")
        elif token.text == "}":
            end()
            if blocks:
                blocks.pop()
        else:
            current.append(token)
            if token.text == ";" and depth == 0:
                end(keep=bool(blocks))  # outside of all blocks it is a declaration
            elif token.text == ":" and words[:1] in (["case"], ["default"]):
                end(keep=False)
        i += 1
    end(keep=False)
    return found


def same_run(all_statements, a, b):
    """The number of statements that are the same from a and from b on, without overlap."""
    n = 0
    while (b + n < len(all_statements) and all_statements[a + n] and all_statements[b + n]
           and all_statements[a + n].shape == all_statements[b + n].shape and a + n < b):
        n += 1
    return n


def copies(all_statements):
    """Pairs of maximal runs of more than LINES_MAX lines: (first, last, first, last, lines)."""
    places = collections.defaultdict(list)
    for i, statement in enumerate(all_statements):
        if statement:
            places[statement.shape].append(i)
    for i, statement in enumerate(all_statements):
        before = all_statements[i - 1] if i else None
        for other in places[statement.shape] if statement else []:
            if other <= i:
                continue
            before_other = all_statements[other - 1]
            if before and before_other and before.shape == before_other.shape:
                continue  # part of a longer run
            n = same_run(all_statements, i, other)
            lines = min(sum(s.n for s in all_statements[at:at + n]) for at in (i, other))
            if lines > LINES_MAX:
                yield (statement, all_statements[i + n - 1], all_statements[other],
                       all_statements[other + n - 1], lines)


def read_tree(root):
    """The statements of all files, with None after each file."""
    found = []
    for folder in ("src", "include"):
        for path in sorted(pathlib.Path(root, folder).rglob("*.[ch]")):
            found += statements(str(path.relative_to(root)), path.read_text(encoding="utf-8"))
            found.append(None)
    return found


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    all_statements = read_tree(root)
    faults, agreed = 0, set()
    for first, last, other_first, other_last, lines in copies(all_statements):
        files = {first.file, other_first.file}
        reasons = [row for row in AGREED if files == set(row[1:])]
        agreed.update(reasons)
        if not reasons:
            faults += 1
            print(f"{first.file}:{first.first}-{last.last}: {lines} lines are duplicated at "
                  f"{other_first.file}:{other_first.first}-{other_last.last}")
    for row in AGREED:
        if row not in agreed:
            print(f"note: exception without a copy: {row[1]} and {row[2]}")
    print(f"{sum(1 for s in all_statements if s)} statements, {faults} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
