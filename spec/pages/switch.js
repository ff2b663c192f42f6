// All pages follow the switch: switch.js URL.
"use strict";

const assert = require("assert");
const { run, desktop, phone, checkPhone, screenshots } = require("./browser");
const [url] = process.argv.slice(2);

async function shows(page, state) {
  await page.getByText("The server says: " + state).waitFor();
  assert.equal(await page.getAttribute("#switch", "aria-pressed"), String(state === "ON"));
  assert.equal(await page.textContent("#label"), state);
}

const colour = (page) => page.evaluate(() => getComputedStyle(document.querySelector("#switch")).backgroundColor);

run(async (open) => {
  const first = await open(url, { ...desktop, reducedMotion: "reduce" });
  const second = await open(url, { ...phone, reducedMotion: "reduce" });
  await shows(first, "OFF");
  await shows(second, "OFF");
  const off = await colour(first);
  await checkPhone(second);
  await screenshots(first, second, "switch-off");
  await first.click("#switch");
  await shows(first, "ON");
  await shows(second, "ON");
  assert.notEqual(await colour(first), off);
  await screenshots(first, second, "switch-on");
  await shows(await open(url, desktop), "ON");
  await second.tap("#switch");
  await shows(first, "OFF");
  await first.press("#switch", "Space");
  await shows(second, "ON");
});
