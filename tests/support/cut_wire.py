"""A wire to a server that can be cut in the middle of an exchange."""

import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit


class CutWire:
    """Listens on a port of its own and passes everything on, both ways. `cut_at` cuts the next
    connection on which the client says that: before it is passed on, or after the server has
    answered it, without passing that on."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._word: bytes | None = None
        self._answered = False
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.cuts = 0

    def url(self, url: str) -> str:
        """The same, over this wire."""
        port = self._listener.getsockname()[1]
        return url.replace(f":{urlsplit(url).port}/", f":{port}/")

    def cut_at(self, word: bytes, *, answered: bool) -> None:
        self._word, self._answered = word, answered

    def close(self) -> None:
        for each in (self._listener, *self._ends):
            _end(each)
        for thread in self._threads:
            thread.join(10)
        for each in (self._listener, *self._ends):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [client, server]
                for pair in ((self._pass, client, server), (_copy, server, client)):
                    self._threads.append(threading.Thread(target=pair[0], args=pair[1:]))
                    self._threads[-1].start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if self._word is not None and self._word in data:
                    self._word = None
                    self.cuts += 1
                    _end(client)
                    if self._answered:
                        server.sendall(data)
                        time.sleep(0.2)
                    break
                server.sendall(data)
        _end(server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    _end(target)


def _end(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
