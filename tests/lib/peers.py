"""Peers that behave badly, to run against every role.

Each listens on a port of 127.0.0.1 (`port`, `address`) on threads of its own,
counts what it accepted, and is closed by `close()`:

    Refuser      resets every connection at once
    Silent       accepts, and neither reads nor writes
    Closer       sends so many bytes, then closes
    Relay        passes bytes to a real server; with faults:
      .cut_after(n)      closes both sides after n more bytes from the server
      .trickle(seconds)  one byte at a time from the server
      .stall()           passes nothing more from the server until .go_on()
      .lie(change)       the length of the next packet from the server is changed
"""
import socket
import struct
import threading
import time

from servers import free_port

RESET = struct.pack("ii", 1, 0)  # SO_LINGER that makes close() a reset


class Peer:
    """A listener whose connections each get a thread running `serve`."""

    def __init__(self):
        self.port = free_port()
        self.accepted, self.open = 0, []
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.append(link)
            threading.Thread(target=self.guarded, args=(link,), daemon=True).start()

    def guarded(self, link):
        try:
            self.serve(link)
        except OSError:
            pass

    def serve(self, link):
        raise NotImplementedError

    def drop(self):
        """Closes every connection, and goes on listening."""
        for link in self.open:
            hang_up(link)
        self.open.clear()

    def close(self):
        hang_up(self.listener)
        self.drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def hang_up(link):
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    link.close()


class Refuser(Peer):
    def serve(self, link):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        link.close()


class Silent(Peer):
    def serve(self, link):
        pass


class Closer(Peer):
    """Sends `data`, and closes when the peer has seen it."""

    def __init__(self, data: bytes = b""):
        self.data = data
        super().__init__()

    def serve(self, link):
        link.sendall(self.data)
        hang_up(link)


class Relay(Peer):
    """Passes bytes between its clients and the server at `target`, with the faults asked for."""

    def __init__(self, target):
        self.target = target
        self.left, self.delay, self.change = None, 0.0, None
        self.flowing = threading.Event()
        self.flowing.set()
        self.passed = 0
        super().__init__()

    def cut_after(self, count: int):
        self.left = count

    def trickle(self, seconds: float = 0.0):
        self.delay = seconds or 1e-6

    def stall(self):
        self.flowing.clear()

    def go_on(self):
        self.left, self.delay, self.change = None, 0.0, None
        self.flowing.set()

    def lie(self, change: int):
        self.change = change

    def serve(self, link):
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            hang_up(link)
            return
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.append(server)
        threading.Thread(target=self.forward, args=(link, server), daemon=True).start()
        self.back(server, link)

    @staticmethod
    def forward(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
        except OSError:
            pass
        hang_up(to)

    def back(self, server, link):
        try:
            while data := server.recv(65536):
                self.flowing.wait()
                self.passed += len(data)
                if not self.pass_on(data, link):
                    break
        except OSError:
            pass
        hang_up(link)
        hang_up(server)

    def pass_on(self, data: bytes, link) -> bool:
        """False when the connection is to be closed."""
        if self.change is not None and len(data) >= 4:
            size = max(0, int.from_bytes(data[:3], "little") + self.change)
            data, self.change = size.to_bytes(3, "little") + data[3:], None
        if self.left is not None:
            data, self.left = data[:self.left], max(0, self.left - len(data))
        if self.delay:
            for byte in data:
                link.sendall(bytes([byte]))
                time.sleep(self.delay)
        else:
            link.sendall(data)
        return self.left != 0
