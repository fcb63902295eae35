"""Nodes of dfsd, trees compared by all that they are, and churn: random changes of a tree."""
import hashlib
import json
import mmap
import os
import pathlib
import random
import secrets
import stat
import subprocess
import time

from daemon import TROUPE, Daemon
from servers import free_port, wait_for


class Node(Daemon):
    """One node: `shares` are lines of sections by name, `peers` addresses (or None) by name."""

    def __init__(self, folder, name, shares, peers, port=None, key=None, top=""):
        self.name, self.port = name, port or free_port()
        self.folder = pathlib.Path(folder)
        lines = [f"[troupe]\ncontrol = {folder}/{name}.sock\n[dfsd]\nnode = {name}\nlisten = 127.0.0.1:{self.port}\n"
                 f"state = {folder}/state-{name}\n{top}"]
        (self.folder / f"state-{name}").mkdir(exist_ok=True)
        if key:
            lines.append(f"key = {key}\n")
        else:
            lines.append("security = none\n")
        for peer, address in peers.items():
            lines.append(f"[peer {peer}]\n" + (f"address = {address}\n" if address else ""))
        for share, text in shares.items():
            lines.append(f"[share {share}]\n{text}\n")
        super().__init__("dfsd", "".join(lines), folder, name, env={"TROUPE_DEBUG": None})

    def status(self) -> dict:
        done = subprocess.run([TROUPE, "ctl", "-c", str(self.conf_path), "status", "--json"], capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def pair(self, peer) -> dict:
        return next((row for row in self.status().get("pair", []) if row["peer"] == peer), {})

    def share(self) -> dict:
        return next(iter(self.status().get("share", [])), {})


def mesh(folder, names, mode="multi", key=None, who=None):
    """Nodes that share a folder each, `names`, all with all; who: {name: [names it knows]}."""
    ports = {name: free_port() for name in names}
    nodes = {}
    for name in names:
        (pathlib.Path(folder) / name).mkdir(exist_ok=True)
        peers = {other: f"127.0.0.1:{ports[other]}" for other in (who or {}).get(name, names) if other != name}
        nodes[name] = Node(folder, name, {"s": f"path = {folder}/{name}\nrole = both\nmode = {mode}"}, peers, port=ports[name], key=key)
    return nodes


def new_key(folder) -> str:
    path = pathlib.Path(folder) / "key"
    path.write_text(secrets.token_hex(32) + "\n")
    return str(path)


# ---- what a tree is ------------------------------------------------------------------------------


def look(path: bytes) -> tuple:
    """All of one path that is to be the same at another node; its inode comes last."""
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    content = None
    if kind == stat.S_IFREG:
        with open(path, "rb") as f:
            content = hashlib.sha1(f.read()).hexdigest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)
    mode = None if kind == stat.S_IFLNK else stat.S_IMODE(st.st_mode)
    attrs = () if kind == stat.S_IFLNK else tuple(
        (name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)) if name.startswith("user."))
    size = st.st_size if kind == stat.S_IFREG else None
    return (kind, mode, st.st_uid, st.st_gid, st.st_mtime_ns, size, content, attrs), (st.st_ino, st.st_nlink)


def tree(root) -> dict:
    """Each path below the root with what it is, and the first of its file's names where that has several here."""
    root = os.fsencode(str(root))
    found, names = {}, {}
    for folder, folders, files in os.walk(root):
        if folder == root and b".troupe" in folders:
            folders.remove(b".troupe")
        for name in folders + files:
            path = os.path.join(folder, name)
            try:
                what, (inode, links) = look(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            short = path[len(root) + 1:]
            found[short] = what, inode
            if what[0] == stat.S_IFREG:
                names.setdefault(inode, []).append(short)
    several = {inode: min(of) for inode, of in names.items() if len(of) > 1}
    return {path: (*what, several.get(inode) if what[0] == stat.S_IFREG else None) for path, (what, inode) in found.items()}


def differences(a, b, most=20, links=True) -> list:
    """links: which names are of one file, too."""
    a, b = ({path: what if links else what[:-1] for path, what in tree(root).items()} for root in (a, b))
    lines = []
    for path in sorted(a.keys() | b.keys()):
        if a.get(path) != b.get(path):
            lines.append(f"{path!r}: {a.get(path)} | {b.get(path)}")
    return lines[:most]


def wait_same(a, b, seconds=20, links=True):
    """Until both trees are the same, and stay so."""
    end = time.monotonic() + seconds
    while True:
        found = differences(a, b, links=links)
        if not found:
            return
        if time.monotonic() > end:
            raise AssertionError("\n".join(["the trees differ:", *found]))
        time.sleep(0.1)


# ---- churn -----------------------------------------------------------------------------------------


def no_link(path, flags):
    """What a random link leads to stays as it is, whatever it is."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


class Churn:
    """Random changes in a folder, the same for the same seed as long as nobody else changes it."""

    NAMES = [b"a", b"b", b"c", b"d", b"e", b"f.txt", b"g h", b"\xff\xfe", b"n\nl", b"x" * 255, b".hidden", b"-rf", b"\xc3\xa9"]

    def __init__(self, root, seed, big=400_000):
        self.root, self.big = os.fsencode(str(root)), big
        self.random = random.Random(seed)
        self.open = []

    def folders(self):
        found = [self.root]
        for folder, folders, _ in os.walk(self.root):
            if folder == self.root and b".troupe" in folders:
                folders.remove(b".troupe")
            found += [os.path.join(folder, name) for name in folders]
        return [f for f in found if not os.path.islink(f) and len(f) - len(self.root) < 1500]

    def paths(self):
        found = []
        for folder, folders, files in os.walk(self.root):
            if folder == self.root and b".troupe" in folders:
                folders.remove(b".troupe")
            found += [os.path.join(folder, name) for name in folders + files]
        return found

    def some_folder(self):
        return self.random.choice(self.folders())

    def some_place(self):
        return os.path.join(self.some_folder(), self.some_name())

    def some_name(self):
        name = self.random.choice(self.NAMES)
        return name if self.random.random() < 0.3 or len(name) > 200 else name + b"%d" % self.random.randrange(20)

    def some_path(self):
        paths = self.paths()
        return self.random.choice(paths) if paths else os.path.join(self.root, b"nothing")

    def some_file(self):
        files = [p for p in self.paths() if os.path.isfile(p) and not os.path.islink(p)]
        return self.random.choice(files) if files else None

    def bytes(self):
        size = self.random.choice([0, 1, 10, 1000, 5000, 70_000, self.random.randrange(self.big)])
        return self.random.randbytes(min(size, 1000)) * (size // 1000 + 1) if size > 1000 else self.random.randbytes(size)

    def step(self):
        what = self.random.choices(
            ["write", "append", "truncate", "rename", "rename_over", "mkdir", "deep", "unlink", "rmtree", "symlink", "link", "chmod",
             "utime", "xattr", "replace", "hold", "map", "swap", "chown"],
            [20, 8, 4, 14, 8, 8, 3, 8, 2, 4, 4, 4, 3, 3, 8, 2, 2, 3, 2])[0]
        try:
            getattr(self, what)()
        except OSError:
            pass

    def write(self):
        with open(self.some_place(), "wb", opener=no_link) as f:
            f.write(self.bytes())

    def append(self):
        if path := self.some_file():
            with open(path, "ab") as f:
                f.write(self.bytes())

    def truncate(self):
        if path := self.some_file():
            os.truncate(path, self.random.randrange(2000))

    def rename(self):
        os.rename(self.some_path(), self.some_place())

    def rename_over(self):
        os.replace(self.some_path(), self.some_path())

    def mkdir(self):
        os.mkdir(self.some_place())

    def deep(self):
        path = self.some_place()
        if os.path.lexists(path):  # a link might lead elsewhere
            return
        for i in range(self.random.randrange(1, 6)):
            path = os.path.join(path, b"d%d" % i)
        os.makedirs(path)
        with open(os.path.join(path, b"leaf"), "wb", opener=no_link) as f:
            f.write(self.bytes())

    def unlink(self):
        path = self.some_path()
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    def rmtree(self):
        path = self.some_folder()
        if path != self.root:
            subprocess.run([b"rm", b"-rf", b"--", path], check=False)

    def symlink(self):
        os.symlink(self.random.choice([b"nowhere", b"/nonexistent/outside", b"a", b"../..", b"x" * 1000]), self.some_place())

    def link(self):
        if path := self.some_file():
            os.link(path, self.some_place())

    def chmod(self):
        path = self.some_path()
        if path != self.root and not os.path.islink(path):
            os.chmod(path, self.random.choice([0o600, 0o644, 0o755, 0o700, 0o4755, 0o1777]))

    def chown(self):
        path = self.some_path()
        if os.geteuid() == 0 and path != self.root:
            os.chown(path, self.random.choice([0, 1, 1000, 54321]), self.random.choice([0, 2, 54321]), follow_symlinks=False)

    def utime(self):
        path = self.some_path()
        if path != self.root:
            os.utime(path, ns=(0, self.random.randrange(1, 2 * 10**18)), follow_symlinks=False)

    def xattr(self):
        if path := self.some_file():
            name = self.random.choice(["user.a", "user.b"])
            if self.random.random() < 0.3:
                os.removexattr(path, name)
            else:
                os.setxattr(path, name, self.random.randbytes(self.random.randrange(100)))

    def replace(self):
        """As editors save."""
        if path := self.some_file():
            with open(path + b".tmp", "wb", opener=no_link) as f:
                f.write(self.bytes())
            os.replace(path + b".tmp", path)

    def hold(self):
        """A file that stays open, written now and then."""
        if self.open and self.random.random() < 0.5:
            self.open.pop().close()
        else:
            self.open.append(open(self.some_place(), "ab", buffering=0, opener=no_link))
        for f in self.open:
            f.write(b"more")

    def map(self):
        path = self.some_file()
        if path and os.path.getsize(path):
            with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
                m[0] = self.random.randrange(256)
            os.utime(path)  # no event tells of what is written to a mapping; its time does, when it is looked at

    def swap(self):
        a, b = self.some_path(), self.some_path()
        if a == b or a.startswith(b + b"/") or b.startswith(a + b"/"):
            return
        os.rename(a, os.path.join(self.root, b"swap"))
        os.rename(b, a)
        os.rename(os.path.join(self.root, b"swap"), b)

    def finish(self):
        for f in self.open:
            f.close()
        self.open = []

    def run(self, steps, pause=0.0):
        for _ in range(steps):
            self.step()
            if pause and self.random.random() < 0.05:
                time.sleep(pause)
