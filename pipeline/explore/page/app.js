// The page: what is chosen, and what follows from it.

import { textOf, dayOf, Grid } from "./grid.js";
import { layersOf } from "./layers.js";
import { ExplorerMap } from "./map.js";
import { fileList, legend, noteList, showPixel } from "./panel.js";
import { Pixel } from "./pixel.js";
import { inWords } from "./problems.js";
import { openPage, Reader } from "./reader.js";
import { Timeline } from "./timeline.js";
import { followPointer, followKeys, followHandle } from "./gestures.js";

const $ = (id) => document.getElementById(id);

class App {
  constructor(page, cube) {
    const [grid, reader] = [new Grid(cube.root, page.degrees), new Reader(cube)];
    Object.assign(this, { page, grid, reader, pixel: null });
    this.map = new ExplorerMap($("map"), grid, page, (news) => this.tell(news));
    const parts = { season: $("season"), range: $("range"), text: $("day"), marks: $("marks"), before: $("before"), after: $("after") };
    this.timeline = new Timeline(parts, this, () => this.refresh());
  }

  async start() {
    document.title = $("title").textContent = this.page.title;
    const groups = await layersOf(this.page, this.grid, this.reader);
    this.layers = new Map(groups.flatMap(({ layers }) => layers).map((layer) => [layer.id, layer]));
    for (const id of ["layer", "other"]) {
      $(id).append(...groups.map(({ group, layers }) => {
        const options = Object.assign(document.createElement("optgroup"), { label: group });
        options.append(...layers.map(({ id, title }) => new Option(title, id)));
        return options;
      }));
      $(id).onchange = () => this.chosen(id);
    }
    const places = this.page.places.map(({ name }, index) => new Option(name, index));
    $("place").append(new Option("the whole cube", ""), ...places);
    $("place").onchange = () => this.go($("place").value);
    $("mode").onchange = () => this.compare();
    $("variable").append(...Pixel.variables(this.reader.cube.root).map((name) => new Option(name === "ndvi" ? "NDVI" : name, name)));
    $("variable").onchange = $("whole").onchange = () => this.showPixel();
    $("clear").onchange = () => this.refresh();
    $("in").onclick = () => this.map.zoom(1.7);
    $("out").onclick = () => this.map.zoom(1 / 1.7);
    followPointer($("map"), this.map, (x, y) => this.read(x, y));
    followKeys(document, this.map, this);
    followHandle($("handle"), this.map, (split) => this.split(split));
    fileList($("files"), this.page);
    noteList($("notes"), this.page);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.timeline.choose(this.timeline.day));
    this.ready = true;
    this.restore();
    addEventListener("hashchange", () => location.hash !== this.hash && this.restore());
  }

  /** Take the state from the address, or begin with the middle of the last season. */
  restore() {
    const given = new URLSearchParams(location.hash.slice(1));
    const last = this.page.seasons.at(-1);
    const first = [...this.layers.keys()][0];
    for (const [id, fallback] of [["layer", first], ["other", this.layers.has("labels") ? "labels" : first]])
      $(id).value = this.layers.has(given.get(id)) ? given.get(id) : fallback;
    $("mode").value = ["swipe", "beside"].includes(given.get("mode")) ? given.get("mode") : "single";
    $("clear").checked = given.has("clear");
    const variables = Pixel.variables(this.reader.cube.root);
    $("variable").value = variables.includes(given.get("curve")) ? given.get("curve") : variables[0];
    if (given.has("z")) this.map.view = { x: Number(given.get("x")), y: Number(given.get("y")), scale: Number(given.get("z")) };
    else this.go("");
    const day = given.has("day") ? dayOf(given.get("day")) : Math.round(last.first + 0.5 * (last.last - last.first));
    this.timeline.choose(Number.isFinite(day) ? day : last.first, true);
    this.refresh();
    if (given.has("px")) this.read(Number(given.get("px")) + 0.5, Number(given.get("py")) + 0.5);
  }

  remember() {
    const { view } = this.map;
    const state = new URLSearchParams({ layer: $("layer").value, day: textOf(this.timeline.day), x: view.x.toFixed(1), y: view.y.toFixed(1), z: view.scale.toPrecision(4) });
    if ($("mode").value !== "single") state.set("mode", $("mode").value), state.set("other", $("other").value);
    if ($("clear").checked) state.set("clear", "1");
    if ($("variable").selectedIndex > 0) state.set("curve", $("variable").value);
    if (this.pixel) state.set("px", this.pixel.column), state.set("py", this.pixel.row);
    this.hash = `#${state}`;
    history.replaceState(null, "", this.hash);
  }

  /** To a place by its number, or to the whole cube. */
  go(index) {
    if (index === "") return this.map.fit(this.grid.bounds);
    const { x, y } = this.page.places[index];
    const [row, column] = this.grid.nearestBlock(y, x);
    const side = this.grid.block;
    this.map.fit([(column - 0.3) * side, (row - 0.3) * side, (column + 1.3) * side, (row + 1.3) * side]);
  }

  /** After a choice of how to compare: a forecast is first compared with the image of its day. */
  compare() {
    const { observed } = this.layers.get($("layer").value);
    if (observed && this.map.mode === "single") $("other").value = observed;
    this.chosen("other");
  }

  /** After a choice of a layer: to a day that it has. */
  async chosen(id) {
    const layer = this.layers.get($(id).value);
    if (layer.steps?.length && layer.at(this.timeline.day) === undefined) await this.toStep(layer.steps);
    else if (layer.masked) {
      await this.timeline.load(this.middleBlock).catch((error) => this.tell({ error }));
      const nearest = this.timeline.nearestClear;
      const seen = this.timeline.images.some(({ day, status }) => day === this.timeline.day && status === 2);
      const kept = this.shown.every((other) => other.at(this.timeline.day) === undefined || other.at(nearest) !== undefined);
      if (!seen && nearest !== undefined && kept) this.timeline.choose(nearest, true);
    }
    this.refresh();
  }

  /** To the nearest of some steps: in a season to its last image, of a map to the last that it could use. */
  async toStep(steps) {
    const { timeline } = this;
    const far = ({ first, last }) => Math.max(first - timeline.day, timeline.day - last);
    const { first, last, until = last } = steps.reduce((best, step) => (far(step) < far(best) ? step : best));
    timeline.choose(until, true);
    if (first === last) return;
    await timeline.load(this.middleBlock).catch((error) => this.tell({ error }));
    if (timeline.day === until) timeline.choose(timeline.lastStored(first, until) ?? until, true);
  }

  get middleBlock() {
    return this.grid.nearestBlock(this.map.view.y, this.map.view.x);
  }

  /** The layers that the map shows. */
  get shown() {
    return ["layer", ...($("mode").value === "single" ? [] : ["other"])].map((id) => this.layers.get($(id).value));
  }

  refresh() {
    const mode = $("mode").value;
    const chosen = this.shown;
    const { day } = this.timeline;
    this.timeline.mark(chosen.flatMap(({ observed, steps }) => (observed ? steps.map(({ first }) => first) : [])));
    this.map.mode = mode;
    this.map.shown = chosen.map((layer) => ({ layer, key: layer.at(day), clear: layer.masked && $("clear").checked }));
    const season = this.layers.get("season");
    this.map.backdrop = season && { layer: season, key: season.at(day) };
    $("other-label").hidden = mode === "single";
    $("handle").hidden = mode !== "swipe";
    legend($("legend"), chosen[0]);
    const same = JSON.stringify(chosen[0].legend) === JSON.stringify(chosen[1]?.legend);
    legend($("legend-other"), same ? undefined : chosen[1]);
    const caption = (layer) => layer && `${layer.run && this.page.runs.length > 1 ? `${layer.run}: ` : ""}${layer.caption ?? layer.title.split(":")[0]}${layer.at(day) === undefined ? ", none on this day" : ""}`;
    $("caption").textContent = caption(chosen[0]) ?? "";
    $("caption-other").textContent = caption(chosen[1]) ?? "";
    $("caption-other").hidden = !chosen[1];
    this.split(this.map.split);
    this.map.draw();
    this.showPixel();
  }

  split(share) {
    this.map.split = Math.min(1, Math.max(0, share));
    $("handle").style.left = `${100 * this.map.split}%`;
    $("handle").setAttribute("aria-valuenow", Math.round(100 * this.map.split));
    this.map.draw();
  }

  /** Another layer, by its place after the one that is shown. */
  nextLayer(step) {
    const ids = [...this.layers.keys()];
    $("layer").value = ids[(ids.indexOf($("layer").value) + step + ids.length) % ids.length];
    this.chosen("layer");
  }

  read(x, y) {
    this.pixel = new Pixel(this, x, y);
    this.map.marker = { x: this.pixel.column + 0.5, y: this.pixel.row + 0.5 };
    this.map.draw();
    this.showPixel();
  }

  showPixel() {
    this.remember();
    if (!this.pixel) return;
    showPixel(this.pixel, this.timeline.current, this.timeline.day, $("variable").value, (day) => this.timeline.choose(day))
      .catch((error) => this.tell({ error }));
  }

  #settled = 0;

  /** News of the map: an error, a hint, or that a picture is drawn. */
  tell({ error, hint, drawn }) {
    if (error) {
      console.error(error);
      $("problem").textContent = inWords(error, this.page.cube);
      $("problem").hidden = false;
    }
    if (hint !== undefined && $("hint").textContent !== hint) $("hint").textContent = hint;
    if (drawn === undefined || !this.ready) return;
    document.body.dataset.drawn = drawn;
    if (drawn && !document.body.dataset.first) document.body.dataset.first = Math.round(performance.now());
    // The marks belong to the block in the middle; they are read when the map has come to rest on a whole picture.
    clearTimeout(this.#settled);
    this.#settled = setTimeout(() => {
      this.remember();
      if (drawn) this.timeline.load(this.middleBlock).catch((error) => this.tell({ error }));
    }, 250);
  }
}

async function main() {
  if (window.unsupported) return;
  let address = "the cube";
  try {
    const { page, cube } = await openPage((cube) => (address = cube));
    await new App(page, cube).start();
  } catch (error) {
    console.error(error);
    $("problem").textContent = inWords(error, address);
    $("problem").hidden = false;
  }
}

main();
