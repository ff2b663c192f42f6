"""A worker of scripts/balancer.lua in Python: serves the clients that are passed to it, one after the other.
   /usr/bin/python3 examples/balancer/worker.py @perigee-balancer"""
import os
import sys
from contextlib import suppress
from multiprocessing.connection import Client
from multiprocessing.reduction import recv_handle
from socket import socket, AF_INET, SOCK_STREAM


def worker(server_address):
    serv = Client(server_address)
    while True:
        fd = recv_handle(serv)
        with socket(AF_INET, SOCK_STREAM, fileno=fd) as client, suppress(ConnectionError):
            for line in client.makefile('rb'):
                client.sendall(b'python: ' + line)
        os.write(serv.fileno(), b'A')  # done with it; a worker may leave that out


if __name__ == '__main__':
    try:
        address = sys.argv[1]
        worker('\0' + address[1:] if address.startswith('@') else address)
    except EOFError:
        sys.exit('the balancer has ended')
