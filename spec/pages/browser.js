// What the page specs share: a browser, and pages that note what goes wrong in them. A spec prints "well" at its end.
"use strict";

const path = require("path");
const root = path.join(__dirname, "../..");
const { chromium } = require(path.join(root, "build/npm/node_modules/playwright-core"));

exports.desktop = { viewport: { width: 1100, height: 760 }, colorScheme: "light" };
exports.phone = {
  viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "dark",
};

// What a page loads from elsewhere, or reports as an error, is a problem.
function watch(page, origin, problems) {
  const own = [origin + "/", origin.replace(/^http/, "ws") + "/", "data:"];
  const check = (url) => { if (!own.some((start) => url.startsWith(start))) problems.push("loads " + url); };
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => check(request.url()));
  page.on("websocket", (socket) => check(socket.url()));
}

// What holds for every page on a phone: nothing is wider than the screen (innerWidth is no measure of it, for a phone
// zooms out until a wide page fits) or scrolls sideways, and a finger can hit what is there to be hit.
exports.checkPhone = async (page) => {
  const found = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth > screen.width,
    sideways: [...document.querySelectorAll("body *")].filter((element) => element.scrollWidth > element.clientWidth &&
      /auto|scroll/.test(getComputedStyle(element).overflowX)).length,
    small: [...document.querySelectorAll("button, input, a")].filter((element) => element.checkVisibility())
      .map((element) => element.getBoundingClientRect()).filter((box) => box.height < 44 || box.width < 44).length,
    unnamed: [...document.querySelectorAll("input, img")]
      .filter((element) => !(element.alt || element.labels && element.labels.length)).length,
  }));
  if (Object.values(found).some(Boolean)) throw new Error("on a phone: " + JSON.stringify(found));
};

exports.screenshot = (page, name) => page.screenshot({ path: path.join(root, "build/pages", name + ".png") });

// A page that is open on both screens, in light and in dark: NAME-wide, -wide-dark, -phone and -phone-dark.
exports.screenshots = async (wide, phone, name) => {
  for (const [page, kind] of [[wide, "-wide"], [phone, "-phone"]]) {
    for (const [colorScheme, suffix] of [["dark", "-dark"], ["light", ""]]) {
      await page.emulateMedia({ colorScheme });
      await exports.screenshot(page, name + kind + suffix);
    }
  }
};

// Waits until a function of the caller's gives something true.
exports.eventually = async (condition, what) => {
  const deadline = Date.now() + 20000;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error("not in time: " + what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

// Runs test(open): open(url, options) gives a page of a browser of its own kind.
exports.run = async (test) => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
  const problems = [];
  async function open(url, options) {
    const page = await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(20000);
    watch(page, new URL(url).origin, problems);
    await page.goto(url, { waitUntil: "domcontentloaded" });
    return page;
  }
  try {
    await test(open);
    console.log(problems.join("\n") || "well");
  } catch (error) {
    console.log(error.stack, problems.join("\n"));
  } finally {
    await browser.close();
    process.exit(); // children that a failed test has left do not keep it
  }
};
