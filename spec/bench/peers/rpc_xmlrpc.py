"""XML-RPC with Python's own server: rpc_xmlrpc.py PORT. Connections are kept, and each has a thread."""
import sys
from socketserver import ThreadingMixIn
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"


class Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    request_queue_size = 4096


server = Server(("127.0.0.1", int(sys.argv[1])), Handler, logRequests=False)
server.register_function(lambda x, y: x + y, "add")
server.serve_forever()
