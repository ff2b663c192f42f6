// Echo with Node's net module: node echo.js PORT
'use strict';

const net = require('net');

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});

server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
