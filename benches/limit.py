"""Ratios of our programs to their peers, in one interleaved session (see limit.sh).

CPU time is that of the whole process by the kernel's account, for ours and theirs alike, so
starting up, connecting and reporting are in it.
"""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAMS = sys.argv[1]
REPEATS = int(sys.argv[2])
SECONDS = float(sys.argv[3])
CORES = sorted(os.sched_getaffinity(0))
TICK = os.sysconf("SC_CLK_TCK")
NGINX = "daemon off; error_log /dev/null; pid {0}/pid; worker_processes 1; " \
    "events {{ worker_connections 4096; }} " \
    "http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {0}; " \
    "proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0}; " \
    "server {{ listen 127.0.0.1:{1}; location / {{ return 200 'ECHO: $request_uri'; }} }} }}"


def pinned(core, command):
    """The command on one core, if there is more than one."""
    if len(CORES) < 2:
        return command
    return ["taskset", "-c", str(CORES[core % len(CORES)]), *command]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process on core 0."""

    def __init__(self, name, port, command):
        self.name, self.port = name, port
        self.process = subprocess.Popen(
            pinned(0, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{name} does not listen on port {port}")
                time.sleep(0.01)

    def cpu_s(self):
        """User and system time so far, of the process and its children (nginx has one)."""
        pids = [self.process.pid]
        with open(f"/proc/{pids[0]}/task/{pids[0]}/children") as children:
            pids += [int(pid) for pid in children.read().split()]
        ticks = 0
        for pid in pids:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def stop(self):
        self.process.terminate()
        self.process.wait()


def ours(protocol, model):
    port = free_port()
    command = [f"{PROGRAMS}/echo-server", f"127.0.0.1:{port}", "--protocol", protocol]
    return Server(f"{protocol}, {model}", port, [*command, "--model", model, "--workers", "1"])


def redis():
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    return Server("redis-server", port, [*command, "--bind", "127.0.0.1"])


def nginx(directory):
    port = free_port()
    config = os.path.join(directory, "nginx.conf")
    with open(config, "w") as file:
        file.write(NGINX.format(directory, port))
    return Server("nginx", port, ["nginx", "-c", config, "-p", directory])


def run(command):
    """The output of a client on core 1, and its CPU time."""
    process = subprocess.Popen(
        pinned(1, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return output, usage.ru_utime + usage.ru_stime


def latency(summary):
    """Median and p99, as far as the sample backs them."""
    response = summary["latency"]["response"]
    return [response[name + "_ns"] if name in response["ci95"] else None
            for name in ("p50", "p99")]


def echo_bench(protocol):
    def client(server, connections, depth):
        command = [
            f"{PROGRAMS}/echo-bench", f"127.0.0.1:{server.port}", "--protocol", protocol,
            "-c", str(connections), "-P", str(depth), "-d", f"{SECONDS}s", "-w", "0",
            "--threads", "1", "-q", "--no-report", "-o", "-",
            # wrk asks for the root too.
            *(["--message", "/"] if protocol == "http" else []),
        ]
        output, cpu_s = run(command)
        report = json.loads(output)["summary"]
        count = report["requests"]["ok"]
        if count == 0:
            raise SystemExit(f"echo-bench had no right answer from {server.name}")
        return count, report["measured_s"], cpu_s, latency(report)

    return client


def redis_benchmark(server, connections, depth):
    # As many requests as take about the time; the rate is this tool's own.
    count = int(SECONDS * (100_000 if depth == 1 else 1_000_000))
    command = [
        "redis-benchmark", "-p", str(server.port), "-t", "ping_mbulk", "-c", str(connections),
        "-P", str(depth), "-n", str(count), "--csv",
    ]
    output, cpu_s = run(command)
    rate = float(re.search(r'"PING_MBULK","([0-9.]+)"', output).group(1))
    return count, count / rate, cpu_s, (None, None)


def wrk(server, connections, depth):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(SECONDS))}s"]
    output, cpu_s = run([*command, f"http://127.0.0.1:{server.port}/"])
    count = int(re.search(r"(\d+) requests in", output).group(1))
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", output).group(1))
    return count, count / rate, cpu_s, (None, None)


def sockperf_ping_pong(server, connections, depth):
    command = ["sockperf", "ping-pong", "--tcp", "-i", "127.0.0.1", "-p", str(server.port)]
    output, cpu_s = run([*command, "-m", "64", "-t", str(max(1, round(SECONDS)))])
    count = int(re.search(r"ReceivedMessages=(\d+)", output).group(1))
    halves = [re.search(rf"percentile {percentile}\.000 =\s+([0-9.]+)", output)
              for percentile in (50, 99)]
    return count, SECONDS, cpu_s, [2000 * float(half.group(1)) for half in halves]


def measure(client, server, connections, depth):
    before = server.cpu_s()
    count, seconds, cpu_s, (p50_ns, p99_ns) = client(server, connections, depth)
    return {
        "rate": count / seconds,
        "client CPU": cpu_s / count * 1e6,
        "server CPU": (server.cpu_s() - before) / count * 1e6,
        "p50": p50_ns and p50_ns / 1000,
        "p99": p99_ns and p99_ns / 1000,
    }


def ratio(base, other, metric):
    """Of medians, and in brackets the least and the greatest of the repeats' own ratios."""
    if any(not sample[metric] for sample in base + other):
        return "-"
    middle = [statistics.median(sample[metric] for sample in side) for side in (base, other)]
    each = [b[metric] / a[metric] for a, b in zip(base, other)]
    return f"{middle[1] / middle[0]:.2f} [{min(each):.2f}, {max(each):.2f}]"


def absolute(samples):
    """The medians of the base, with their units."""
    units = {"rate": "/s", "client CPU": " us", "server CPU": " us", "p50": " us", "p99": " us"}
    for metric, unit in units.items():
        values = [sample[metric] for sample in samples]
        known = all(value is not None for value in values)
        digits = 0 if metric == "rate" else 1 if metric in ("p50", "p99") else 3
        yield f"{statistics.median(values):,.{digits}f}{unit}" if known else "-"


def compare(title, loads, base, others):
    """Each of `others` against `base`: pairs of a name and what measures a load once."""
    titles = ("rate", "client CPU", "server CPU", "p50", "p99")
    print(f"\n{title}\n{'':30}{'load':>9}" + "".join(f"{title:>19}" for title in titles))
    for connections, depth in loads:
        sides = [base, *others]
        samples = [[] for _ in sides]
        for repeat in range(REPEATS):
            order = list(enumerate(sides))
            # There and back again, so that a drift of the machine meets all alike.
            for place, (_, once) in order if repeat % 2 == 0 else reversed(order):
                samples[place].append(once(connections, depth))
        load = f"{connections} x {depth}"
        own = "".join(f"{cell:>19}" for cell in absolute(samples[0]))
        print(f"{base[0]:30}{load:>9}{own}")
        for (name, _), side in zip(others, samples[1:]):
            cells = [ratio(samples[0], side, metric) for metric in samples[0][0]]
            print(f"  {name:28}{load:>9}" + "".join(f"{cell:>19}" for cell in cells))
        sys.stdout.flush()


def once(client, server):
    return lambda connections, depth: measure(client, server, connections, depth)


def installed(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        print(f"\nskipped: {' and '.join(programs)} ({', '.join(missing)} not installed)")
    return not missing


def models():
    """What this build serves with, but for the thread models' one thread per connection."""
    known = run([f"{PROGRAMS}/echo-server", "--help"])[0]
    return [model for model in ("epoll", "uring", "tokio", "tokio-local", "pool", "threads")
            if re.search(rf"\b{model}\b", known)]


def main(directory):
    servers = []

    def started(server):
        servers.append(server)
        return server

    try:
        target = started(ours("raw", "epoll"))
        raw = [(f"raw, {model}", once(echo_bench("raw"), started(ours("raw", model))))
               for model in models() if model != "epoll"]
        lines = ("line, epoll", once(echo_bench("line"), started(ours("line", "epoll"))))
        loads = [(50, 1), (50, 16), (1000, 1)]
        base = ("raw, epoll", once(echo_bench("raw"), target))
        compare("servers, by echo-bench", loads, base, [*raw, lines])

        if installed("redis-server", "redis-benchmark"):
            store = started(redis())
            resp = [started(ours("resp", model)) for model in models()]
            compare("servers, by redis-benchmark", loads,
                    ("redis-server", once(redis_benchmark, store)),
                    [(server.name, once(redis_benchmark, server)) for server in resp])
            compare("generators, on redis-server", loads,
                    ("redis-benchmark", once(redis_benchmark, store)),
                    [("echo-bench, verifying", once(echo_bench("resp"), store))])
        if installed("nginx", "wrk"):
            web = started(nginx(directory))
            loads = [(50, 1), (1000, 1)]
            http = started(ours("http", "epoll"))
            compare("servers, by wrk", loads, ("nginx", once(wrk, web)),
                    [(http.name, once(wrk, http))])
            compare("generators, on nginx", loads, ("wrk", once(wrk, web)),
                    [("echo-bench, verifying", once(echo_bench("http"), web))])
        if installed("sockperf"):
            port = free_port()
            command = ["sockperf", "server", "--tcp", "-i", "127.0.0.1", "-p", str(port)]
            peer = started(Server("sockperf server", port, command))
            compare("one message to and fro", [(1, 1)],
                    ("sockperf, both sides", once(sockperf_ping_pong, peer)),
                    [("echo-bench on raw, epoll", once(echo_bench("raw"), target))])
    finally:
        for server in servers:
            server.stop()


with tempfile.TemporaryDirectory() as place:
    main(place)
