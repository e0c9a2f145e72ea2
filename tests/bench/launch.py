"""Starts one command and writes down what it took: a small process of its own, so that it adds nothing to its memory.

Usage: ``python -I -S launch.py RESULT LIMIT STDOUT STDERR COMMAND...``. The result is a JSON object. Memory is the
larger of two: ``ru_maxrss``, which is the largest single process among the command and the children it waited for, and
the proportional set size (PSS) of all processes of its session together, sampled ten times a second where /proc tells.
"""

import json
import os
import resource
import signal
import sys
import threading
import time

_KIB = 1024


def _session_memory(session: int) -> int:
    """PSS of a session's processes together, in KiB; 0 where only one runs, whose ``ru_maxrss`` is exact."""
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                members.append(name)
    if len(members) < 2:
        return 0
    total = 0
    for name in members:
        try:
            with open(f"/proc/{name}/smaps_rollup") as file:
                total += next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
        except OSError:
            continue
    return total


def _kill(session: int) -> None:
    """Ends the command and what it started, which is a process group of its own."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    """Runs the command."""
    result, limit, stdout, stderr, *command = sys.argv[1:]
    done = threading.Event()
    parent = os.getppid()
    peak = timed_out = 0
    start = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for path, number in ((stdout, 1), (stderr, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        try:
            os.execvp(command[0], command)  # noqa: S606 - running the command is what this is for
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)

    def watch() -> None:
        nonlocal peak, timed_out
        sampled = os.path.isdir("/proc/self")
        while not done.wait(0.1):
            if sampled:
                peak = max(peak, _session_memory(pid))
            if not timed_out and time.perf_counter() - start > float(limit):
                timed_out = 1
                _kill(pid)
            if os.getppid() != parent:
                # Who wanted to know is gone. The command has a session of its own, so no Ctrl-C reached it.
                _kill(pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
    except KeyboardInterrupt:
        _kill(pid)
        raise
    finally:
        done.set()
        watcher.join()
    largest = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss // _KIB
    told = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "system": usage.ru_stime,
        "peak": max(largest, peak) * _KIB,
        "code": os.waitstatus_to_exitcode(status),
        "timed_out": bool(timed_out),
        "launcher": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    with open(result, "w") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main()
