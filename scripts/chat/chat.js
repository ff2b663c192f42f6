// The page sends what nc would: a name, then lines. What comes is lines too: "NAME: TEXT", or "* NOTICE".
"use strict";

const byId = (id) => document.getElementById(id);
const log = byId("log"), status = byId("status"), enter = byId("enter"), say = byId("say");
let socket, name, delay = 500;

function show(line) {
  const said = /^([^*][^:]*): (.*)$/s.exec(line);
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const paragraph = document.createElement("p");
  paragraph.className = said ? (said[1] === name ? "said mine" : "said") : "notice";
  if (said) {
    const who = document.createElement("b");
    who.textContent = said[1];
    paragraph.append(who);
  }
  paragraph.append(said ? said[2] : line.replace(/^\* /, ""));
  log.append(paragraph);
  while (log.children.length > 1000) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// The first line of the server's tells whether the name was taken.
function receive(line) {
  const renamed = /^\* (.+) is now (.+)$/.exec(line);
  if (renamed && renamed[1] === name) name = renamed[2];
  if (say.hidden && line.startsWith("* you are in ")) {
    enter.hidden = true;
    say.hidden = false;
    status.textContent = "connected as " + name;
    byId("text").focus();
  }
  show(line);
}

function connect() {
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[^/]*$/, "socket"));
  socket.onopen = () => { delay = 500; socket.send(name); };
  socket.onmessage = (event) => receive(event.data);
  socket.onclose = () => {
    const wasIn = !say.hidden;
    say.hidden = true;
    status.textContent = "not connected";
    if (!wasIn) { enter.hidden = false; return; }
    show("* the connection was lost, trying again");
    log.replaceChildren(log.lastChild);
    delay = Math.min(delay * 2, 10000);
    setTimeout(connect, delay);
  };
}

enter.onsubmit = (event) => {
  event.preventDefault();
  name = byId("name").value.trim();
  if (!name) return;
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(name);
  else connect();
};

say.onsubmit = (event) => {
  event.preventDefault();
  const text = byId("text");
  if (text.value.trim() && socket.readyState === WebSocket.OPEN) socket.send(text.value);
  text.value = "";
};
