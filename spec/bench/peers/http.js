// HTTP with Node's http module, and WebSocket with npm's ws: node http.js FILES PORT; ws is found through NODE_PATH
'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const { WebSocketServer } = require('ws');

const files = process.argv[2];
const text = 'text/plain; charset=utf-8';
const viewers = new Set();
const members = new Set();

function answer(response, type, body) {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function sendFile(response, name) {
  const file = path.join(files, path.basename(name));
  fs.stat(file, (error, about) => {
    if (error) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': about.size });
    fs.createReadStream(file).pipe(response);
  });
}

function view(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.flushHeaders();
  viewers.add(response);
  request.on('close', () => viewers.delete(response));
}

function publish(request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const message = Buffer.concat(parts).toString();
    const event = Buffer.from(`data: ${message}\n\n`);
    for (const viewer of viewers) viewer.write(event);
    for (const member of members) member.send(message);
    response.writeHead(204).end();
  });
}

function route(request, response) {
  const url = request.url;
  if (request.method === 'POST' && url === '/publish') return publish(request, response);
  if (url === '/hello') return answer(response, text, 'Hello, world');
  if (url === '/json') {
    const lamp = { id: 7, name: 'lamp', price: 19.75, active: true, tags: ['home', 'light'] };
    return answer(response, 'application/json', JSON.stringify(lamp));
  }
  if (url.startsWith('/hello/')) return answer(response, text, 'Hello, ' + url.slice(7));
  if (url.startsWith('/files/')) return sendFile(response, url.slice(7));
  if (url === '/events') return view(request, response);
  return response.writeHead(404).end();
}

const server = http.createServer({ noDelay: true, keepAliveTimeout: 0, requestTimeout: 0 }, route);
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

function join(socket) {
  members.add(socket);
  socket.on('close', () => members.delete(socket));
}

function echo(socket) {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}

server.on('upgrade', (request, socket, head) => {
  const serve = { '/echo': echo, '/room': join }[request.url];
  if (!serve) return socket.destroy();
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.on('error', () => client.terminate());
    serve(client);
  });
});

server.listen({ port: Number(process.argv[3]), host: '127.0.0.1', backlog: 4096 });
