// Node's JSON, measured as perigee/measured.lua does it: node codec.js "json decode PATH MILLISECONDS"
'use strict';
const fs = require('fs');

const [, direction, path, milliseconds] = process.argv[2].split(' ');
const value = JSON.parse(fs.readFileSync(path, 'utf8'));
const text = JSON.stringify(value);
const [call, argument] = direction === 'decode' ? [JSON.parse, text] : [JSON.stringify, value];

function seconds() {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
}

function batchOf() {
  for (let count = 1; ; count *= 2) {
    const start = seconds();
    for (let i = 0; i < count; i++) call(argument);
    if (seconds() - start > 0.002) return count;
  }
}

const batch = batchOf();
const start = seconds();
let count = 0, now = start;
while (now < start + milliseconds / 1000) {
  for (let i = 0; i < batch; i++) call(argument);
  count += batch;
  now = seconds();
}
console.log(`messages=${count} seconds=${now - start} bytes=${Buffer.byteLength(text)}`);
