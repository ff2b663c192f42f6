// The picture changes: camera.js URL.
"use strict";

const assert = require("assert");
const { run, desktop, phone, checkPhone, screenshots, eventually } = require("./browser");
const [url] = process.argv.slice(2);

// The picture's pixels, as a text.
const pixels = (page) => page.evaluate(() => {
  const image = document.querySelector("img"), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  if (!canvas.width) return "";
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
});

async function changes(page) {
  await eventually(() => pixels(page), "a picture");
  const seen = new Set();
  await eventually(async () => seen.add(await pixels(page)).size >= 4, "four pictures");
}

run(async (open) => {
  const first = await open(url, desktop), second = await open(url, phone);
  await Promise.all([changes(first), changes(second)]);
  await checkPhone(second);
  assert.ok((await second.locator("img").boundingBox()).width > 300);
  await screenshots(first, second, "camera");
});
