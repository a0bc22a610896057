// Everything about one pixel: its series, weather, maps, and where its image of a day comes from.

import { textOf } from "./grid.js";

const [WEEK, MONTH, WEATHER_DAYS, ROWS] = [8, 32, 512, 65536];
const BASE = 10; // degrees Celsius above which growing-degree days are counted
export const STORED = 2;
const SKIPPED = 3;

export class Pixel {
  constructor({ page, grid, reader }, x, y) {
    Object.assign(this, { page, grid, reader, root: reader.cube.root, row: Math.floor(y), column: Math.floor(x) });
    this.covered = this.row >= 0 && this.column >= 0 && this.row < grid.height && this.column < grid.width && grid.covers(this.row, this.column);
    const side = grid.tile * grid.block;
    [this.tileRow, this.tileColumn] = [Math.floor(this.row / side), Math.floor(this.column / side)];
    this.part = grid.part(this.tileRow, this.tileColumn);
    Object.assign(this, { inRow: this.row - this.tileRow * side, inColumn: this.column - this.tileColumn * side });
    this.lonLat = grid.lonLat(this.column + 0.5, this.row + 0.5);
  }

  /** The variables that a curve can show. */
  static variables({ bands }) {
    return bands.includes("red") && bands.includes("nir") ? ["ndvi", ...bands] : bands;
  }

  /** The last day that the cube's calendar has. A forecast may reach further. */
  get last() {
    return this.grid.first + MONTH * this.root.calendar.shards - 1;
  }

  get block() {
    return [this.row, this.column].map((at) => Math.floor(at / this.grid.block));
  }

  /** The value of an array of chunks over (time, pixels) on a day; `bands` gives all numbers of an axis between. */
  async #at(name, day, days, side, bands = 1) {
    const index = day - this.grid.first;
    const place = [Math.floor(index / days), ...(bands > 1 ? [0] : []), Math.floor(this.inRow / side), Math.floor(this.inColumn / side)];
    const chunk = await this.reader.chunk(this.part, name, place);
    const pixel = (this.inRow % side) * side + (this.inColumn % side);
    const start = (index % days) * bands * side * side + pixel;
    return bands === 1 ? chunk.data[start] : Array.from({ length: bands }, (_, band) => chunk.data[start + band * side * side]);
  }

  /** The code of `blocks/status` on a day. */
  async status(day) {
    const { tile, block, first } = this.grid;
    const chunk = await this.reader.chunk(this.part, "blocks/status", [Math.floor((day - first) / MONTH), 0, 0]);
    const [y, x] = [this.inRow, this.inColumn].map((at) => Math.floor(at / block));
    return chunk ? chunk.data[((day - first) % MONTH) * tile * tile + y * tile + x] : 0;
  }

  quality(day) {
    return this.#at("imagery/quality", day, MONTH, this.grid.chunk);
  }

  /** Days of a season with an image: [{day, quality, clear, bands}], sorted; `tell` is called as they come. `bands` are
   *  the values of the bands and of `ndvi`, null where nothing is stored. */
  async series(season, tell) {
    const { scales, not_clear: notClear } = this.page.vocabulary;
    const points = [];
    const one = async (day) => {
      const status = await this.status(day);
      if (status !== STORED && status !== SKIPPED) return;
      const quality = await this.quality(day);
      const point = { day, quality, clear: status === STORED && quality !== 255 && !(quality & notClear), bands: null };
      if (status === STORED) {
        const stored = await this.#at("imagery/reflectance", day, WEEK, this.grid.chunk, this.root.bands.length);
        if (stored[0] !== -9999) {
          point.bands = Object.fromEntries(this.root.bands.map((name, index) => [name, stored[index] * scales[index]]));
          const { red, nir } = point.bands;
          if (red !== undefined && nir !== undefined) point.bands.ndvi = (nir - red) / Math.max(nir + red, 0.01);
        }
      }
      if (point.bands === null) point.clear = false;
      points.push(point);
      points.sort((a, b) => a.day - b.day);
      tell?.(points);
    };
    const days = Array.from({ length: Math.min(season.last, this.last) - season.first + 1 }, (_, index) => season.first + index);
    await Promise.all(days.map(one));
    return points;
  }

  /** Daily weather of a season: {variable: [{day, value}]}, with `heat`, growing-degree days since its first day. */
  async weather(season) {
    const { tile, block, weather_cell: cell, first } = this.grid;
    const side = tile * block;
    const [x, y] = [this.grid.west + this.tileColumn, this.grid.north - 1 - this.tileRow];
    const column = Math.floor((x * side + this.inColumn) / cell) - Math.floor((x * side) / cell);
    const row = Math.ceil(((y + 1) * side) / cell) - 1 - Math.floor((y * side + side - 1 - this.inRow) / cell);
    const series = {};
    for (const name of this.root.weather_variables ?? []) {
      const array = await this.reader.array(this.part, `weather/${name}`);
      if (!array) continue;
      const [days, rows, columns] = array.chunks;
      series[name] = [];
      for (let day = season.first; day <= season.last && day - first < array.shape[0]; day++) {
        const place = [Math.floor((day - first) / days), Math.floor(row / rows), Math.floor(column / columns)];
        const chunk = await this.reader.chunk(this.part, `weather/${name}`, place);
        const value = chunk.data[(((day - first) % days) * rows + (row % rows)) * columns + (column % columns)];
        series[name].push({ day, value });
      }
    }
    if (series.tmin && series.tmax) {
      let sum = 0;
      series.heat = series.tmin.map(({ day, value }, index) => {
        sum += Math.max((value + series.tmax[index].value) / 2 - BASE, 0);
        return { day, value: sum };
      });
    }
    return series;
  }

  /** What the maps of the runs and the labels say: [{title, text, color}]. */
  async maps(season) {
    const said = [];
    const label = await this.#label(season);
    if (label) said.push(label);
    for (const run of this.page.runs) for (const raster of run.rasters) {
      const [left, top, right, bottom] = raster.box;
      if (this.column < left || this.column >= right || this.row < top || this.row >= bottom) continue;
      const step = raster.steps.find(({ first, last }) => first <= season.last && last >= season.first);
      if (!step || !["classes", "percent"].includes(raster.kind)) continue;
      const { side } = raster;
      const [row, column] = [Math.floor(this.row / side), Math.floor(this.column / side)];
      const square = await this.reader.square(run.name, raster, step.key, 1, row, column);
      if (!square) continue;
      const pixel = (this.row % side) * side + (this.column % side);
      const title = this.page.runs.length > 1 ? `${raster.title}, ${run.title}` : raster.title;
      const value = square.data[pixel];
      if (value === raster.fill) said.push({ title, text: "none" });
      else if (raster.kind === "percent") said.push({ title, text: `${value} %` });
      else {
        const entry = (raster.classes ?? []).find((known) => known.value === value);
        said.push({ title, text: entry?.name ?? `class ${value}`, color: entry?.color });
      }
    }
    return said;
  }

  async #label(season) {
    const index = (this.root.label_seasons ?? []).indexOf(season.name);
    if (index < 0) return undefined;
    const { chunk: side } = this.grid;
    const place = [index, Math.floor(this.inRow / side), Math.floor(this.inColumn / side)];
    const [crop, purity] = await Promise.all(["crop", "purity"].map((name) => this.reader.chunk(this.part, `labels/${name}`, place)));
    const pixel = (this.inRow % side) * side + (this.inColumn % side);
    const code = crop?.data[pixel];
    const at = this.root.legend.flag_values.indexOf(code);
    if (at < 0) return { title: `label ${season.name}`, text: "unknown" };
    return { title: `label ${season.name}`, text: `${this.root.legend.flag_names[at]}, purity ${purity?.data[pixel] ?? "?"} %`, color: this.root.legend.flag_colors?.[at] };
  }

  /** Where the image of a day comes from, or why there is none, as `mmvsf explain` words it. */
  async explain(day) {
    const place = `row ${this.row}, column ${this.column} (block ${this.block.join(",")}) on ${textOf(day)}`;
    const { reasons, no_day: noDay, flags, origins } = this.page.vocabulary;
    if (day > this.last) return `${place}: no data, since ${noDay}`;
    const status = await this.status(day);
    const index = status < STORED || status > SKIPPED ? 255 : await this.#at("imagery/scene", day, MONTH, this.grid.block);
    if (index === 255) {
      const outside = status === 0 && this.covered ? noDay : reasons[status];
      return `${place}: no data, since ${outside}`;
    }
    const [quality, scene] = await Promise.all([this.quality(day), this.#scene(day, index)]);
    const words = quality === 255 ? [] : flags.filter(([, mask, value]) => (quality & mask) === value).map(([name]) => name);
    const mask = status === SKIPPED ? "; only its mask is stored, the block was too cloudy" : "";
    const origin = origins[scene.product] ? `; ${scene.product} of ${origins[scene.product]}` : "";
    return `${place}: from ${scene.id} (${words.join(", ") || "no flags"})${mask}${origin}`;
  }

  /** The row of the table of scenes for a day, this block and an index. */
  async #scene(day, index) {
    const days = await this.reader.array("scenes", "day");
    const [y, x] = this.block;
    for (let part = 0; part * ROWS < (days?.shape[0] ?? 0); part++) {
      const column = async (name) => (await this.reader.chunk("scenes", name, [part])).data;
      const ofDay = await column("day");
      if (!ofDay.includes(day)) continue;
      const [ys, xs, indices] = await Promise.all(["block_y", "block_x", "index"].map(column));
      const row = ofDay.findIndex((value, at) => value === day && ys[at] === y && xs[at] === x && indices[at] === index);
      if (row < 0) continue;
      const [ids, products] = await Promise.all(["id", "product"].map(column));
      return { id: String(ids[row]), product: String(products[row]) };
    }
    return { id: "a scene that the table of scenes does not list; run `mmvsf check`", product: "" };
  }
}
