"""What `make bench` measures: the servers, the works, the targets. To add to the benchmark, add an entry to one of the
tables, or a table.
"""
import works_calls
import works_codecs
import works_echo
import works_http
import works_process
import works_pubsub
import works_tls

TABLES = {"echo": works_echo, "http": works_http, "tls": works_tls, "process": works_process, "calls": works_calls,
          "codecs": works_codecs, "pubsub": works_pubsub}
SERVERS = tuple(server for table in TABLES.values() for server in table.SERVERS)
WORKS = tuple(work for table in TABLES.values() for work in table.WORKS)
GROUPS = {name: tuple(work.id for work in table.WORKS) for name, table in TABLES.items()}
