// What a browser shows of the explorer, as JSON: node explore.mjs CHROMIUM '{"page": URL, "pixel": [X, Y], ...}'
// Each scenario gives facts, or {failed: message}; the tests judge them.

import { cp, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [executablePath, given] = process.argv.slice(2);
const options = JSON.parse(given);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const LIMIT = 20000;

/** A page at an address, its errors and the addresses it asked for. */
async function open(address, settings = {}, prepare = async () => {}) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 700 }, ...settings });
  page.setDefaultTimeout(LIMIT);
  const [errors, asked] = [[], []];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => asked.push(request.url()));
  await prepare(page);
  await page.goto(address);
  await page.waitForFunction(() => document.body.dataset.drawn === "true" || !document.getElementById("problem").hidden);
  return { page, errors, asked, problem: await page.textContent("#problem") };
}

const text = (page, id) => page.textContent(`#${id}`);
const drawn = (page) => page.waitForFunction(() => document.body.dataset.drawn === "true");
/** Wait until what was asked for is drawn. */
async function settle(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await drawn(page);
}

/** Colours of the map at points of the canvas, as [red, green, blue]. */
const coloursAt = (page, points) => page.evaluate((points) => {
  const canvas = document.getElementById("map");
  return points.map(([x, y]) => [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)]);
}, points);

/** The point of the canvas of a pixel of the cube, from the state in the address. */
const pointOf = (page, [column, row]) => page.evaluate(([column, row]) => {
  const [state, canvas] = [new URLSearchParams(location.hash.slice(1)), document.getElementById("map")];
  const [x, y, z] = ["x", "y", "z"].map((name) => Number(state.get(name)));
  return [canvas.clientWidth / 2 + (column + 0.5 - x) * z, canvas.clientHeight / 2 + (row + 0.5 - y) * z].map(Math.round);
}, [column, row]);

async function click(page, pixel) {
  const [x, y] = await pointOf(page, pixel);
  const box = await page.locator("#map").boundingBox();
  await page.mouse.click(box.x + x, box.y + y);
  await page.waitForFunction(() => document.body.dataset.pixel);
}

const scenarios = {
  async look() {
    const { page, errors, asked, problem } = await open(options.page);
    const layers = await page.locator("#layer option").evaluateAll((found) => found.map((option) => option.value));
    const origin = new URL(options.page).origin;
    const elsewhere = asked.filter((address) => !address.startsWith(origin) && !address.startsWith("data:"));
    const notes = await page.locator("#notes li").allTextContents();
    return { title: await page.title(), problem, errors, layers, elsewhere, notes };
  },
  async click() {
    const { page, errors } = await open(`${options.page}#layer=true&day=${options.day}`);
    await settle(page);
    await click(page, options.pixel);
    const [explain, where, maps, dates] = await Promise.all(["explain", "where", "maps", "dates"].map((id) => text(page, id)));
    const circles = await page.locator("#curve circle.clear").count();
    await page.click("#clear-dates summary");
    await page.click("#dates button");
    const other = await open(`${options.page}#day=${options.empty}&px=${options.pixel[0]}&py=${options.pixel[1]}`);
    await other.page.waitForFunction(() => document.body.dataset.pixel);
    const empty = await text(other.page, "explain");
    return { empty, explain, where, maps, dates, circles, day: await text(page, "day"), first: await page.textContent("#dates button"), errors };
  },
  async slider() {
    const { page } = await open(`${options.page}#layer=true&day=${options.day}`);
    await page.focus("#range");
    await page.keyboard.press("ArrowRight");
    const moved = await text(page, "day");
    await page.waitForTimeout(400);
    await page.focus("#map");
    await page.keyboard.press(",");
    await settle(page);
    const point = await pointOf(page, options.pixel);
    const [[image], before] = [await coloursAt(page, [point]), await text(page, "day")];
    await page.selectOption("#season", { index: 0 });
    return { moved, before, image, season: await text(page, "day") };
  },
  async swipe() {
    const { page } = await open(`${options.page}#layer=${options.map}&other=labels&mode=swipe&day=${options.day}`);
    await settle(page);
    const point = await pointOf(page, options.pixel);
    await page.focus("#handle");
    await page.keyboard.press("End");
    await settle(page);
    const [left] = await coloursAt(page, [point]);
    await page.keyboard.press("Home");
    await settle(page);
    const [right] = await coloursAt(page, [point]);
    const box = await page.locator("#map").boundingBox();
    await page.mouse.move(box.x + 1, box.y + 200);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 4, box.y + 200, { steps: 3 });
    await page.mouse.up();
    await page.selectOption("#mode", "beside");
    await settle(page);
    const quarter = (share) => [Math.round(box.width * share + (point[0] - box.width / 2)), point[1]];
    const both = await coloursAt(page, [quarter(0.25), quarter(0.75)]);
    return { left, right, split: await page.getAttribute("#handle", "aria-valuenow"), both };
  },
  /** By page: the colour of the paper, and by layer and mode those of a pixel without a value, on both sides, and of one
   *  with a value. `meanwhile`: the same two pixels while the squares of the finest level are being read. */
  async holes() {
    const pages = [];
    for (const address of options.holed) {
      const { page, errors } = await open(`${address}#layer=true&day=${options.day}`);
      const [seen, [paper]] = [{}, await coloursAt(page, [[3, 300]])];
      const { width } = await page.locator("#map").boundingBox();
      for (const [name, hole] of Object.entries(options.holes)) for (const mode of ["single", "swipe", "beside"]) {
        await page.selectOption("#mode", mode);
        await page.selectOption("#layer", name);
        if (mode !== "single") await page.selectOption("#other", name);
        await settle(page);
        const sides = mode === "beside" ? [-width / 4, width / 4] : [0];
        const at = async (pixel) => { const [x, y] = await pointOf(page, pixel); return coloursAt(page, sides.map((side) => [Math.round(x + side), y])); };
        seen[`${name} ${mode}`] = { hole: await at(hole), beside: await at(options.pixel) };
      }
      pages.push({ address, paper, seen, errors });
    }
    let release;
    const held = new Promise((done) => (release = done));
    const { page } = await open(`${options.holed[0]}#layer=season&day=${options.day}`, {}, (page) =>
      page.route("**/squares/*/*/*/1/*", async (route) => { await held; await route.continue(); }));
    const [name, hole] = Object.entries(options.holes)[0];
    const points = [await pointOf(page, hole), await pointOf(page, options.pixel)];
    const asked = page.waitForResponse("**/squares/*/*/*/32/*");
    await page.selectOption("#layer", name);
    await (await asked).finished();
    await page.waitForTimeout(200);
    const meanwhile = await coloursAt(page, points);
    release();
    return { pages, meanwhile };
  },
  /** The day after a map was chosen on a day of another season, or of its own. */
  async moved() {
    const [crop] = Object.keys(options.holes);
    async function chosen(address, layer, day) {
      const { page, errors } = await open(`${address}#layer=true&day=${day}&px=40&py=8`);
      await page.selectOption("#layer", layer);
      await page.waitForFunction((layer) => location.hash.includes(new URLSearchParams({ layer })), layer);
      await page.waitForFunction(() => document.getElementById("explain").textContent.includes(document.getElementById("day").textContent));
      return { page, errors, day: await text(page, "day"), explain: await text(page, "explain") };
    }
    const whole = await chosen(options.page, options.map, options.before);
    const until = await chosen(options.holed[0], crop, options.before);
    const kept = await chosen(options.holed[0], crop, options.empty);
    return { whole: whole.day, until: until.day, kept: kept.day, explain: until.explain + whole.explain, errors: [whole, until, kept].flatMap(({ errors }) => errors) };
  },
  /** The layers of a run before and after it got a map and the page was loaded again. */
  async later() {
    const { page, errors } = await open(options.later.page);
    const layers = () => page.locator("#layer option").evaluateAll((found) => found.map(({ value }) => value).filter((id) => id.startsWith("later/")));
    const before = await layers();
    await cp(options.later.from, options.later.to, { recursive: true });
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll("#layer option").length);
    return { before, after: await layers(), errors };
  },
  async forecast() {
    const [px, py] = options.pixel;
    const at = (layer, day) => `${options.page}#layer=tiny/${layer}&day=${day}&px=${px}&py=${py}`;
    const rows = (page) => page.locator("#forecast-table tr").evaluateAll((rows) => rows.map(({ cells }) => [...cells].map((cell) => cell.textContent)));
    const { page, errors } = await open(at("forecast-years/true", options.day));
    await page.waitForFunction(() => document.body.dataset.pixel);
    const curve = await page.evaluate(() => {
      const nodes = [...document.getElementById("curve").children];
      const of = (name) => nodes.filter((node) => node.classList.contains(name));
      const middle = (node) => { const { y, height } = node.getBBox(); return y + height / 2; };
      return {
        medians: of("forecast").map((node) => [middle(node), getComputedStyle(node).stroke]),
        bars: of("bar").map((node) => { const { y, height } = node.getBBox(); return [y, y + height]; }),
        covered: Math.max(...of("interval").map((node) => nodes.indexOf(node))) > Math.min(...of("clear").map((node) => nodes.indexOf(node))),
        label: document.getElementById("curve").getAttribute("aria-label"),
      };
    });
    const shown = { curve, errors, rows: await rows(page), read: await text(page, "read"), legend: await page.locator("#fans li").allTextContents(), caption: await text(page, "caption") };
    await page.selectOption("#mode", "swipe");
    const other = await page.inputValue("#other");
    const sides = {};
    for (const [side, key] of [["left", "End"], ["right", "Home"]]) {
      await page.focus("#handle");
      await page.keyboard.press(key);
      await settle(page);
      [sides[side]] = await coloursAt(page, [await pointOf(page, options.pixel)]);
    }
    await page.click("#forecasts summary");
    await page.click("#forecast-table tbody:nth-of-type(1) tr:last-child button");
    const last = await text(page, "day");
    const months = () => page.locator("#curve .month").count();
    const around = await months();
    await page.check("#whole");
    await page.waitForFunction((around) => document.querySelectorAll("#curve .month").length !== around, around);
    const whole = await months();
    await page.selectOption("#variable", "red");
    await page.waitForFunction(() => document.getElementById("read").textContent.includes("0.14") || document.getElementById("forecast-table").textContent.includes("0.14"));
    const red = await rows(page);
    const beyond = await open(at("forecast-ahead/ndvi", options.beyond));
    await beyond.page.waitForFunction(() => document.body.dataset.pixel);
    await settle(beyond.page);
    const [colour] = await coloursAt(beyond.page, [await pointOf(beyond.page, options.pixel)]);
    const after = { colour, explain: await text(beyond.page, "explain"), problem: await text(beyond.page, "problem"), errors: beyond.errors };
    return { ...shown, other, ...sides, last, around, whole, red, after };
  },
  async phone() {
    const { page } = await open(options.page, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await page.touchscreen.tap(195, 250);
    await page.waitForFunction(() => document.getElementById("where").textContent.includes("row"));
    const [width, map] = [await page.evaluate(() => document.documentElement.scrollWidth), (await page.locator("#map").boundingBox()).height];
    await page.goto(`${options.page}#day=${options.day}&px=${options.pixel[0]}&py=${options.pixel[1]}`);
    await page.click("#forecasts summary");
    return { width, map, fan: await page.evaluate(() => document.documentElement.scrollWidth) };
  },
  async dark() {
    const { page } = await open(options.page, { colorScheme: "dark" });
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [map] = await coloursAt(page, [[3, 300]]);
    return { paper, map };
  },
  async accessible() {
    const serious = {};
    for (const colorScheme of ["light", "dark"]) {
      const { page } = await open(`${options.page}#layer=true&mode=swipe&day=${options.day}`, { colorScheme, bypassCSP: true });
      await settle(page);
      await page.focus("#map");
      await page.keyboard.press("ArrowUp"); // to the block with forecasts
      await page.keyboard.press("Enter");
      await page.waitForSelector("#forecasts:not([hidden])");
      await page.locator("summary").evaluateAll((found) => found.forEach((summary) => (summary.parentElement.open = true)));
      await page.addScriptTag({ content: axe });
      const { violations } = await page.evaluate(() => window.axe.run());
      serious[colorScheme] = violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 120)}`);
    }
    return serious;
  },
  /** A line of 20 Mbit/s with 40 ms: time and bytes to the first picture. */
  async large() {
    let bytes = 0;
    const { page } = await open(options.large, { viewport: { width: 1280, height: 800 } }, async (page) => {
      const client = await page.context().newCDPSession(page);
      await client.send("Network.enable");
      client.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
      await client.send("Network.emulateNetworkConditions", { offline: false, latency: 40, downloadThroughput: 20e6 / 8, uploadThroughput: 20e6 / 8 });
    });
    const at = Number(await page.evaluate(() => document.body.dataset.first));
    const points = await coloursAt(page, [[400, 300], [456, 330], [500, 360]]);
    return { seconds: at / 1000, megabytes: bytes / 1e6, points };
  },
  async problems() {
    const said = {};
    for (const [name, address] of Object.entries(options.broken)) {
      const { page } = await open(address);
      await page.waitForFunction(() => !document.getElementById("problem").hidden).catch(() => {});
      said[name] = await text(page, "problem");
    }
    const bare = await open(options.page, {}, (page) => page.addInitScript(() => delete window.WebAssembly));
    said.webassembly = bare.problem;
    return said;
  },
};

const results = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  results[name] = await scenario().catch((error) => ({ failed: error.message }));
  for (const context of browser.contexts()) await context.close();
}
await browser.close();
console.log(JSON.stringify(results));
