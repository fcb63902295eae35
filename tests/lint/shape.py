"""shape.py FILE... - no function with more than 5 parameters, no control statement nested deeper than 3."""
import re
import sys

PARAMETERS, NESTING = 5, 3
FUNCTION = re.compile(r"^(?!typedef)\w[\w \t*]*?(\w+)\(([^;{}]*)\)\n\{", re.M)
CONTROL = re.compile(r"^(\t+)(?:if|for|while|switch|do)\b", re.M)


def commas(text: str) -> int:
    """Commas outside of brackets: those between parameters, not those of a callback's own."""
    depth = count = 0
    for c in text:
        depth += (c == "(") - (c == ")")
        count += c == "," and depth == 0
    return count


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def faults(path: str):
    text = open(path).read()
    for found in FUNCTION.finditer(text):
        count = commas(found[2]) + 1 - found[2].rstrip().endswith("...")
        if count > PARAMETERS:
            yield f"{path}:{line_of(text, found.start())}: {found[1]} has {count} parameters"
    for found in CONTROL.finditer(text):
        if len(found[1]) > NESTING:
            yield f"{path}:{line_of(text, found.start())}: nested {len(found[1])} deep"


bad = [fault for path in sys.argv[1:] for fault in faults(path)]
print("\n".join(bad), end="\n" if bad else "")
sys.exit(1 if bad else 0)
