"""Evaluates a packet capture of echo traffic: requests, replies and their times.

Usage: capture.py FILE PORT SIZE

FILE is what `tcpdump -w FILE --time-stamp-precision=nano` wrote, PORT the server's, and SIZE the
length of each request and of each reply in bytes. Prints one JSON object. Shares no code with the
programs under test: it knows Ethernet, IPv4, TCP and sizes, nothing else. Standard library only.
"""

import json
import struct
import sys


def packets(file):
    """Yields (time in ns, bytes) for each packet of a capture with nanosecond times."""
    header = file.read(24)
    magic, link = struct.unpack("<I16xI", header)
    if magic != 0xA1B23C4D or link != 1:
        sys.exit(f"not a little-endian Ethernet capture in nanoseconds: {magic:#x}, {link}")
    while len(record := file.read(16)) == 16:
        seconds, nanos, kept, _length = struct.unpack("<IIII", record)
        data = file.read(kept)
        if len(data) < kept:
            return
        yield seconds * 1_000_000_000 + nanos, data


def segment(data):
    """Returns (source port, destination port, sequence number, payload length, is SYN)."""
    if struct.unpack_from("!H", data, 12)[0] != 0x0800 or data[23] != 6:
        return None
    ip_length = (data[14] & 15) * 4
    total = struct.unpack_from("!H", data, 16)[0]
    tcp = 14 + ip_length
    source, destination, sequence = struct.unpack_from("!HHI", data, tcp)
    payload = total - ip_length - (data[tcp + 12] >> 4) * 4
    return source, destination, sequence, payload, bool(data[tcp + 13] & 2)


class Stream:
    """One direction of a connection: when its bytes were first sent."""

    def __init__(self):
        self.first = None
        self.reached = 0
        self.ends = []  # (offset after the segment's last byte, time)

    def add(self, when, sequence, payload, is_syn):
        if is_syn:
            self.first = (sequence + 1) & 0xFFFFFFFF
            return
        if payload == 0 or self.first is None:
            return
        end = ((sequence - self.first) & 0xFFFFFFFF) + payload
        # Sent again, or a probe below the start; streams here are shorter than 2 GiB.
        if end > 1 << 31 or end <= self.reached:
            return
        self.reached = end
        self.ends.append((end, when))

    def times(self, size):
        """The instants at which each message of this size had been sent whole."""
        times = []
        for end, when in self.ends:
            while (len(times) + 1) * size <= end:
                times.append(when)
        return times


def percentile(values, percent):
    """The smallest of the sorted values that is not below so many percent of them."""
    return values[-(-percent * len(values) // 100) - 1] if values else None


def main():
    path, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    streams = {}
    with open(path, "rb") as file:
        for when, data in packets(file):
            if (found := segment(data)) is None:
                continue
            source, destination, sequence, payload, is_syn = found
            peer, way = (source, 0) if destination == port else (destination, 1)
            pair = streams.setdefault(peer, (Stream(), Stream()))
            pair[way].add(when, sequence, payload, is_syn)
    requests = replies = 0
    paths = []
    for up, down in streams.values():
        asked, answered = up.times(size), down.times(size)
        requests += len(asked)
        replies += len(answered)
        paths += [reply - request for request, reply in zip(asked, answered)]
    paths.sort()
    print(json.dumps({
        "connections": sum(1 for up, _ in streams.values() if up.reached >= size),
        "requests": requests,
        "replies": replies,
        "path_p50_ns": percentile(paths, 50),
        "path_p99_ns": percentile(paths, 99),
    }))


main()
