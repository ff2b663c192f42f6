// Two browsers and an nc: chat.js URL PORT, the page's and the one for lines.
"use strict";

const assert = require("assert");
const { spawn } = require("child_process");
const { run, desktop, phone, checkPhone, screenshot, screenshots, eventually } = require("./browser");
const [url, port] = process.argv.slice(2);

async function enter(page, name) {
  await page.fill("#name", name);
  await page.click("#enter button");
  await page.waitForSelector("#text:visible");
  assert.equal(await page.textContent("#status"), name + " in lobby");
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

// The text of each line, without the name before it.
const texts = (page) => page.locator("#log p").evaluateAll((lines) => lines.map((line) => line.lastChild.textContent));
const heard = (page, text) => eventually(async () => (await texts(page)).includes(text), text);

function startNc() {
  const nc = spawn("nc", ["127.0.0.1", port]);
  nc.stdout.setEncoding("utf8");
  nc.output = "";
  nc.stdout.on("data", (bytes) => { nc.output += bytes; });
  nc.heard = (line) => eventually(() => nc.output.split("\n").includes(line), line + " in\n" + nc.output);
  return nc;
}

async function talk(ann, bob, nc) {
  await say(ann, "Hello, is anybody here?");
  await heard(bob, "Hello, is anybody here?");
  nc.stdin.write("carl\n");
  await nc.heard("ann: Hello, is anybody here?");
  await heard(ann, "carl has come");
  nc.stdin.write("I am, in a terminal.\n");
  await heard(ann, "I am, in a terminal.");
  await heard(bob, "I am, in a terminal.");
  await say(bob, "Me too: <b>on</b> my phone, 안녕하세요 👋");
  await nc.heard("bob: Me too: <b>on</b> my phone, 안녕하세요 👋");
  await heard(ann, "Me too: <b>on</b> my phone, 안녕하세요 👋");
  assert.equal(await ann.locator("#log p.mine").count(), 1);
  await say(ann, "w".repeat(120)); // wider than a phone
  await heard(bob, "w".repeat(120));
}

async function refuseName(page) {
  await page.fill("#name", "Ann");
  await page.press("#name", "Enter");
  await heard(page, "Ann is taken, choose another name");
  assert.ok(await page.isVisible("#enter"));
}

async function leave(page) {
  await say(page, "/quit");
  await page.waitForSelector("#name:visible");
  assert.equal(await page.textContent("#status"), "not connected");
}

run(async (open) => {
  const ann = await open(url, desktop), bob = await open(url, phone), nc = startNc();
  await screenshot(bob, "chat-enter-phone");
  await checkPhone(bob);
  await enter(ann, "ann");
  await refuseName(bob);
  await enter(bob, "bob");
  await talk(ann, bob, nc);
  await checkPhone(bob);
  await screenshots(ann, bob, "chat");
  nc.stdin.end("/quit\n");
  await heard(ann, "carl has left");
  await say(bob, "/nick rob");
  await heard(ann, "bob is now rob");
  await bob.getByText("rob in lobby").waitFor();
  await leave(bob);
  await enter(bob, "bob");
  await heard(bob, "I am, in a terminal.");
  const late = await open(url, desktop);
  await enter(late, "dave");
  await heard(late, "I am, in a terminal.");
  await heard(late, "bob is now rob");
});
