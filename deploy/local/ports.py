"""Free ports of this machine."""

import random
import socket

# Below those that the system gives to outgoing connections: a port stays free while its server is
# down, so that a killed one starts again where others look for it.
PORTS = range(20_000, 32_000)
_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """So many different loopback ports that nobody listens on now."""
    found: list[int] = []
    for port in random.sample(PORTS, _TRIES):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found
