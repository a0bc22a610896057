// The day: a season, a slider over its days, and marks of the images of a block.

import { STATUS } from "./colours.js";
import { textOf } from "./grid.js";

const MONTH = 32;

export class Timeline {
  day = 0;
  images = []; // [{day, status, clear}] of the season: in the block that the marks are of
  forecasts = []; // days of the forecasts that the map shows

  /** `elements` are {season, range, text, marks, before, after}; `changed(day)` follows a choice. */
  constructor(elements, { page, grid, reader }, changed) {
    Object.assign(this, { ...elements, page, grid, reader, changed });
    for (const { name } of page.seasons) this.season.append(new Option(name, name));
    this.season.onchange = () => {
      const [from, to] = [this.current, page.seasons.find(({ name }) => String(name) === this.season.value)];
      this.choose(Math.min(to.last, to.first + (this.day - from.first)));
    };
    this.range.oninput = () => this.choose(Number(this.range.value));
    this.before.onclick = () => this.step(-1);
    this.after.onclick = () => this.step(1);
    new ResizeObserver(() => this.#draw()).observe(this.marks);
  }

  /** The season of the day. */
  get current() {
    return this.page.seasons.find(({ first, last }) => this.day >= first && this.day <= last) ?? this.page.seasons.at(-1);
  }

  /** The days of the forecasts that the map shows. */
  mark(days) {
    if (String(days) === String(this.forecasts)) return;
    this.forecasts = days;
    this.#draw();
  }

  choose(day, quiet = false) {
    const { seasons } = this.page;
    this.day = Math.min(seasons.at(-1).last, Math.max(seasons[0].first, day));
    const { name, first, last } = this.current;
    this.season.value = name;
    Object.assign(this.range, { min: first, max: last, value: this.day });
    this.range.setAttribute("aria-valuetext", textOf(this.day));
    this.text.value = textOf(this.day);
    if (!quiet) this.changed(this.day);
    this.#draw();
  }

  /** To the image or forecast before (-1) or after (1) the day; across seasons where there is none left in this one. */
  step(direction) {
    const images = this.images.filter(({ status }) => status === 2).map(({ day }) => day);
    const days = [...images, ...this.forecasts].sort((a, b) => a - b);
    const next = direction > 0 ? days.find((day) => day > this.day) : days.findLast((day) => day < this.day);
    if (next !== undefined) return this.choose(next);
    const beyond = direction > 0 ? this.current.last + 1 : this.current.first - 1;
    if (this.page.seasons.some(({ first, last }) => beyond >= first && beyond <= last)) this.choose(beyond);
  }

  /** The stored day of the season nearest to the day, the clearer of two as near; undefined without images. */
  get nearestClear() {
    const far = ({ day, clear }) => Math.abs(day - this.day) + (100 - clear);
    const stored = this.images.filter(({ status }) => status === 2);
    return stored.length ? stored.reduce((best, image) => (far(image) < far(best) ? image : best)).day : undefined;
  }

  /** The last stored day between two days of the season; undefined without one. */
  lastStored(first, last) {
    return this.images.findLast(({ day, status }) => status === 2 && day >= first && day <= last)?.day;
  }

  #loaded = "";

  /** Read which images a block [row, column] has in the season of the day, unless they are here already. */
  async load(block) {
    const { tile, first: start, chunk, block: side } = this.grid;
    const { shards } = this.reader.cube.root.calendar;
    const { name, first, last } = this.current;
    if (this.#loaded === `${block}|${name}`) return;
    const wanted = (this.#loaded = `${block}|${name}`);
    const [y, x] = block;
    const part = this.grid.part(Math.floor(y / tile), Math.floor(x / tile));
    const perBlock = side / chunk;
    const width = tile * perBlock;
    const [top, left] = [(y % tile) * perBlock, (x % tile) * perBlock];
    const images = [];
    const months = [];
    const end = Math.min(Math.floor((last - start) / MONTH), shards - 1); // a forecast may lie beyond the calendar
    for (let month = Math.floor((first - start) / MONTH); month <= end; month++) months.push(month);
    await Promise.all(months.map(async (month) => {
      const [status, clear] = await Promise.all(["blocks/status", "chunks/clear_fraction"].map((array) => this.reader.chunk(part, array, [month, 0, 0])));
      for (let index = 0; index < MONTH; index++) {
        const [day, code] = [start + month * MONTH + index, status?.data[index * tile * tile + (y % tile) * tile + (x % tile)]];
        if (day < first || day > last || !(code > 1)) continue;
        let sum = 0;
        for (let row = 0; row < perBlock; row++) for (let column = 0; column < perBlock; column++) {
          const share = clear.data[index * width * width + (top + row) * width + left + column];
          sum += share === 255 ? 0 : share;
        }
        images.push({ day, status: code, clear: sum / perBlock ** 2 });
      }
    }));
    if (this.#loaded !== wanted) return;
    this.images = images.sort((a, b) => a.day - b.day);
    this.#draw();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.marks;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.marks, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const ink = this.marks.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    const { first, last } = this.current;
    const toX = (day) => 8 + ((day - first) / (last - first)) * (width - 16); // the thumb of a range is 16 pixels wide
    const style = getComputedStyle(this.marks);
    Object.assign(ink, { fillStyle: style.getPropertyValue("--soft"), font: "11px system-ui, sans-serif", textBaseline: "top" });
    for (let day = first; day <= last; day++) {
      const text = textOf(day);
      if (!text.endsWith("-01")) continue;
      ink.fillRect(toX(day), height - 13, 1, 13);
      const name = new Date(day * 86400000).toLocaleString("en", { month: width > 480 ? "short" : "narrow", timeZone: "UTC" });
      ink.fillText(name, toX(day) + 3, height - 12);
    }
    for (const { day, status, clear } of this.images) {
      const tall = status === 2 ? 3 + (clear / 100) * (height - 20) : 3;
      Object.assign(ink, { fillStyle: STATUS[status] });
      ink.fillRect(toX(day) - 1, height - 15 - tall, 2.5, tall);
    }
    ink.fillStyle = style.getPropertyValue("--accent");
    ink.fillRect(toX(this.day) - 0.75, 0, 1.5, height);
    for (const day of this.forecasts.filter((day) => day >= first && day <= last)) {
      ink.beginPath();
      for (const [x, y] of [[-4, 4], [0, 0], [4, 4], [0, 8]]) ink.lineTo(toX(day) + x, y);
      ink.fill();
    }
  }
}
