"""What an echo client notices of task.offload: its round trips while 8 tasks compute fib(32) off the loop, and while
none does. `/usr/bin/python3 spec/bench/offload.py [BINARY] [SECONDS]`, from the root of the tree."""

import re
import socket
import subprocess
import sys
import time

SCRIPT = 'spec/fixtures/offload_echo.lua'
PAUSE = 0.001  # seconds between round trips: an idle client, whose server has to wake up


def serve(binary, tasks):
    command = [binary, 'run', '--drain', '0', '--set', 'offload_echo.tasks=%d' % tasks, SCRIPT]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        found = re.search(r'listening address=tcp://127\.0\.0\.1:(\d+)', line)
        if found:
            return server, int(found.group(1))
    sys.exit('%s does not serve' % SCRIPT)


def round_trips(port, seconds):
    client = socket.create_connection(('127.0.0.1', port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        client.sendall(b'x' * 64)
        assert len(client.recv(64, socket.MSG_WAITALL)) == 64
        times.append((time.monotonic() - began) * 1e3)
        time.sleep(PAUSE)
    return sorted(times)


def measure(binary, tasks, seconds):
    server, port = serve(binary, tasks)
    times = round_trips(port, seconds)
    server.terminate()
    computed = server.communicate()[0].count('\n')
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    print('%d tasks offload fib(32): %d round trips, p50 %.2f, p99 %.2f, p99.9 %.2f, worst %.2f ms; %d computed'
          % (tasks, len(times), at(.5), at(.99), at(.999), times[-1], computed))
    return at(.99)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else 'build/perigee'
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    measure(binary, 0, seconds / 2)
    p99 = measure(binary, 8, seconds)
    print('offload: p99 of an echo is %.2f ms (%s 5 ms)' % (p99, 'below' if p99 < 5 else 'NOT BELOW'))


if __name__ == '__main__':
    main()
