// JSON-RPC 2.0 on Node's own http: node rpc_json.js PORT
const http = require("http");

const methods = { add: (x, y) => x + y };

const failure = (id, code, message) => ({ jsonrpc: "2.0", error: { code, message }, id });

function respond(call) {
  if (call === null || typeof call !== "object" || call.jsonrpc !== "2.0" || typeof call.method !== "string")
    return failure(null, -32600, "no call");
  if (!Object.hasOwn(methods, call.method)) return failure(call.id, -32601, "there is no such method");
  try {
    const result = methods[call.method](...(call.params ?? []));
    return call.id === undefined ? undefined : { jsonrpc: "2.0", result, id: call.id };
  } catch (error) {
    return failure(call.id, -32603, "internal error");
  }
}

function answer(body) {
  let call;
  try {
    call = JSON.parse(body);
  } catch (error) {
    return failure(null, -32700, "no JSON");
  }
  return Array.isArray(call) ? call.map(respond).filter(Boolean) : respond(call);
}

http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const text = JSON.stringify(answer(Buffer.concat(chunks).toString()));
    if (text === undefined) return response.writeHead(204).end();
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }).end(text);
  });
}).listen(Number(process.argv[2]), "127.0.0.1", 4096);
