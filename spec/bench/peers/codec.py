"""Python's msgpack and json, measured as perigee/measured.lua does it: codec.py "msgpack decode PATH MILLISECONDS"."""
import json
import sys
import time

name, direction, path, milliseconds = sys.argv[1].split()
if name == "json":
    decode, encode = json.loads, json.dumps
else:
    import msgpack
    decode, encode = msgpack.unpackb, msgpack.packb

with open(path, encoding="utf-8") as file:
    value = json.load(file)
text = encode(value)
call, argument = (decode, text) if direction == "decode" else (encode, value)


def batch_of():
    count = 1
    while True:
        start = time.process_time()
        for _ in range(count):
            call(argument)
        if time.process_time() - start > 0.002:
            return count
        count *= 2


batch, count = batch_of(), 0
start = now = time.process_time()
while now < start + float(milliseconds) / 1000:
    for _ in range(batch):
        call(argument)
    count, now = count + batch, time.process_time()
print(f"messages={count} seconds={now - start} bytes={len(text)}")
