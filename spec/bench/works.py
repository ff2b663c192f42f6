"""What `make bench` measures: the servers, the works, the targets. To add to the benchmark, add an entry to one of the
tables, or a table.
"""
import works_echo
import works_http

TABLES = (works_echo, works_http)
SERVERS = tuple(server for table in TABLES for server in table.SERVERS)
WORKS = tuple(work for table in TABLES for work in table.WORKS)
