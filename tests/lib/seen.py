"""Which keys, verbs and methods the tests see at work: marks, and what is left out."""
import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parents[1] / "system"
SEEN = {}  # "section key": names of tests, or file::test


def sees(section: str, *keys: str):
    """Marks a test as one that sees these keys of a section (or verbs of "ctl", or "method"s) on something that runs."""
    def mark(test):
        elsewhere(section, " ".join(keys), test.__name__)
        return test

    return mark


def elsewhere(section: str, keys: str, where: str):
    """The same of a test in another file: file::test."""
    for key in keys.split():
        SEEN.setdefault(f"{section} {key}", []).append(where)


def missing() -> list:
    """Tests that elsewhere() names and that are not there."""
    names = {name for names in SEEN.values() for name in names if "::" in name}
    return [name for name in names if not re.search(rf"^def {name.split('::')[1]}\(",
                                                    (TESTS / name.split("::")[0]).read_text(), re.M)]


def keys_of(reference: str) -> set:
    """"section key" of all keys in the text of etc/troupe.ini."""
    found, section = set(), None
    for line in reference.splitlines():
        if head := re.match(r";?\[([\w-]+)[^\]]*\]$", line):
            section = head[1]
        elif key := re.match(r";?([\w.]+) =", line):
            found.add(f"{section} {key[1]}")
    return found
