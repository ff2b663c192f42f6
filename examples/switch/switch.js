"use strict";
const byId = (id) => document.getElementById(id);
const button = byId("switch");
let socket;

function show(state) {
  button.setAttribute("aria-pressed", state === "ON");
  button.disabled = false;
  byId("label").textContent = state;
  byId("state").textContent = "The server says: " + state;
}

function connect() {
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[^/]*$/, "state"));
  socket.onmessage = (event) => show(event.data);
  socket.onclose = () => {
    button.disabled = true;
    byId("state").textContent = "not connected";
    setTimeout(connect, 1000);
  };
}

button.onclick = () => socket.send(button.getAttribute("aria-pressed") === "true" ? "OFF" : "ON");
connect();
