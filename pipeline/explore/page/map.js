// The map: a canvas in the projection of the cube, with one layer, or two beside each other or under a swipe.

const FRAMES = 60; // painted chunks are dropped after the map moved this often without them
const MOST_CHUNKS = 160; // of a level that one picture may need

export class ExplorerMap {
  view = { x: 0, y: 0, scale: 1 }; // middle in pixels of the cube; screen pixels per pixel of the cube
  shown = []; // [{layer, key, clear}], one or two
  mode = "single"; // single, swipe or beside
  split = 0.5;
  marker = null; // {x, y} in pixels of the cube
  backdrop = null; // {layer, key}, drawn faintly below layers of a day

  #painted = new Map();
  #frame = 0;
  #due = false;

  /** `tell` is called with {error} of a read, {hint} for the reader of the map, and {drawn} after each picture. */
  constructor(canvas, grid, page, tell) {
    Object.assign(this, { canvas, grid, page, tell, ink: canvas.getContext("2d") });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  fit([left, top, right, bottom], margin = 0.06) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const share = 1 - 2 * margin;
    this.view = { x: (left + right) / 2, y: (top + bottom) / 2, scale: share * Math.min(width / (right - left), height / (bottom - top)) };
    this.draw();
  }

  /** Zoom by a factor about a point of the canvas. */
  zoom(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const [x, y] = this.toPixels(...at);
    const least = 0.3 * Math.min(this.canvas.clientWidth / this.grid.width, this.canvas.clientHeight / this.grid.height);
    const scale = Math.min(40, Math.max(least, this.view.scale * factor));
    const share = this.view.scale / scale;
    this.view = { scale, x: x + (this.view.x - x) * share, y: y + (this.view.y - y) * share };
    this.draw();
  }

  pan(dx, dy) {
    this.view.x -= dx / this.view.scale;
    this.view.y -= dy / this.view.scale;
    this.draw();
  }

  /** The panes: [{left, width, middle}] of the canvas; two of half the width where layers lie beside each other. */
  get panes() {
    const width = this.canvas.clientWidth;
    if (this.mode !== "beside" || this.shown.length < 2) return [{ left: 0, width, middle: width / 2 }];
    return [0, 1].map((pane) => ({ left: (pane * width) / 2, width: width / 2, middle: ((2 * pane + 1) * width) / 4 }));
  }

  /** The position in pixels of the cube below a point of the canvas. */
  toPixels(left, top) {
    const pane = this.panes.find((pane) => left < pane.left + pane.width) ?? this.panes.at(-1);
    return [this.view.x + (left - pane.middle) / this.view.scale, this.view.y + (top - this.canvas.clientHeight / 2) / this.view.scale];
  }

  draw() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  #draw() {
    const { canvas, ink, panes } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    this.#frame++;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const style = getComputedStyle(canvas);
    this.colours = Object.fromEntries(["paper", "ink", "line", "soft"].map((name) => [name, style.getPropertyValue(`--map-${name}`)]));
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.fillStyle = this.colours.paper;
    ink.fillRect(0, 0, width, height);
    ink.imageSmoothingEnabled = false;
    let complete = true;
    this.hint = "";
    this.shown.forEach((shown, index) => {
      const pane = panes[index] ?? panes[0];
      const from = this.mode === "swipe" && index === 1 ? this.split * width : pane.left;
      const to = this.mode === "swipe" && index === 0 && this.shown.length > 1 ? this.split * width : pane.left + pane.width;
      ink.save();
      ink.beginPath();
      ink.rect(from, 0, Math.max(0, to - from), height);
      ink.clip();
      complete = this.#drawLayer(shown, pane, [from, to]) && complete;
      ink.restore();
    });
    for (const pane of panes) this.#drawLines(pane, height);
    if (panes.length > 1) this.#line([[width / 2, 0], [width / 2, height]], this.colours.ink, 2);
    for (const [key, entry] of this.#painted) if (entry.frame < this.#frame - FRAMES) this.#painted.delete(key);
    this.tell({ drawn: complete, hint: this.hint });
  }

  #drawLayer({ layer, key, clear }, pane, span) {
    if (this.backdrop && layer.day && this.backdrop.key !== undefined) {
      this.ink.globalAlpha = 0.3;
      this.#drawLevels(this.backdrop, pane, span);
      this.ink.globalAlpha = 1;
    }
    return key === undefined || this.#drawLevels({ layer, key, clear }, pane, span);
  }

  /** Draw the level that fits the scale; where its chunks are still being read, the coarsest level in their place. */
  #drawLevels(shown, pane, span) {
    const { levels, title } = shown.layer;
    // Screens of many dots show no finer level than others: four times the bytes would be seen by nobody.
    const fitting = levels.find((level) => level * this.view.scale <= 2.2) ?? levels.at(-1);
    const chunks = this.#chunks(shown.layer, fitting, pane, span);
    const tooMany = chunks.length > MOST_CHUNKS;
    if (tooMany) this.hint = `Zoom in to see ${title.toLowerCase().split(":")[0]} here.`;
    if (levels[0] > fitting) this.#drawInstead(shown, tooMany ? null : chunks, pane, span);
    return tooMany || this.#drawChunks(shown, chunks);
  }

  /** Draw the coarsest level in place of those of the `chunks` that are not here yet, or everywhere with null. Nowhere
   *  else: a chunk that is here may be transparent, and below it a coarse pixel would pass for a value of its pixels. */
  #drawInstead(shown, chunks, pane, span) {
    const missing = chunks?.filter((chunk) => this.#painted.get(nameOf(shown, chunk))?.picture === undefined);
    if (missing?.length === 0) return;
    const { ink } = this;
    ink.save();
    if (missing) {
      ink.beginPath();
      for (const { box } of missing) ink.rect(...box);
      ink.clip();
    }
    const coarse = this.#chunks(shown.layer, shown.layer.levels[0], pane, span);
    if (coarse.length <= MOST_CHUNKS) this.#drawChunks(shown, coarse);
    ink.restore();
  }

  /** The chunks of a level in a pane, those in the middle first: [{level, row, column, box}], the box on the canvas. */
  #chunks(layer, level, pane, span) {
    const { scale, x, y } = this.view;
    const size = layer.side(level) * level;
    const height = this.canvas.clientHeight;
    const toX = (column) => Math.round(pane.middle + (column * size - x) * scale);
    const toY = (row) => Math.round(height / 2 + (row * size - y) * scale);
    const columns = span.map((at) => (x + (at - pane.middle) / scale) / size);
    const rows = [-1, 1].map((side) => (y + (side * height) / 2 / scale) / size);
    const limit = [this.grid.height, this.grid.width].map((length) => Math.ceil(length / size));
    const chunks = [];
    for (let row = Math.max(0, Math.floor(rows[0])); row < Math.min(limit[0], rows[1]); row++)
      for (let column = Math.max(0, Math.floor(columns[0])); column < Math.min(limit[1], columns[1]); column++) {
        if (!layer.has(level, row, column)) continue;
        const [left, top] = [toX(column), toY(row)];
        chunks.push({ level, row, column, box: [left, top, Math.max(1, toX(column + 1) - left), Math.max(1, toY(row + 1) - top)] });
      }
    const middle = [y / size - 0.5, x / size - 0.5];
    const far = ({ row, column }) => (row - middle[0]) ** 2 + (column - middle[1]) ** 2;
    return chunks.sort((a, b) => far(a) - far(b));
  }

  /** Draw those chunks that are here; whether these are all. */
  #drawChunks(shown, chunks) {
    let complete = true;
    for (const chunk of chunks) {
      const picture = this.#picture(shown, chunk);
      if (picture === undefined) complete = false;
      if (picture) this.ink.drawImage(picture, ...chunk.box);
    }
    return complete;
  }

  /** The painted chunk; null where it is empty, undefined where it is being read. */
  #picture(shown, chunk) {
    const name = nameOf(shown, chunk);
    const entry = this.#painted.get(name);
    if (entry) {
      entry.frame = this.#frame;
      return entry.picture;
    }
    const { layer, key, clear } = shown;
    const place = { picture: undefined, frame: this.#frame };
    this.#painted.set(name, place);
    const wanted = () => place.frame >= this.#frame - 2;
    layer.read(chunk.level, chunk.row, chunk.column, key, wanted, clear).then((read) => {
      if (read === undefined) return this.#painted.delete(name);
      place.picture = read && paint(layer, read);
      this.draw();
    }).catch((error) => {
      place.picture = null;
      this.tell({ error });
    });
    return undefined;
  }

  #line(points, colour, width, dash = []) {
    const { ink } = this;
    ink.beginPath();
    points.forEach(([x, y], index) => (index ? ink.lineTo(x, y) : ink.moveTo(x, y)));
    Object.assign(ink, { strokeStyle: colour, lineWidth: width });
    ink.setLineDash(dash);
    ink.stroke();
    ink.setLineDash([]);
  }

  #drawLines(pane, height) {
    const { ink, grid, colours } = this;
    const { scale, x, y } = this.view;
    const at = (column, row) => [pane.middle + (column - x) * scale, height / 2 + (row - y) * scale];
    ink.save();
    ink.beginPath();
    ink.rect(pane.left, 0, pane.width, height);
    ink.clip();
    for (const [layer, width, dash] of [["counties", 0.6, []], ["states", 1.6, []]])
      for (const { lines } of this.page.outlines[layer]) for (const line of lines) {
        const points = [];
        for (let i = 0; i < line.length; i += 2) points.push(at(line[i], line[i + 1]));
        this.#line(points, layer === "states" ? colours.ink : colours.soft, width, dash);
      }
    if (grid.block * scale > 6 && grid.blocks.length < 3000) {
      Object.assign(ink, { strokeStyle: colours.line, lineWidth: 1 });
      for (const [row, column] of grid.blocks) {
        const [left, top] = at(column * grid.block, row * grid.block);
        if (left < pane.left + pane.width && left + grid.block * scale > pane.left && top < height && top + grid.block * scale > 0)
          ink.strokeRect(Math.round(left) + 0.5, Math.round(top) + 0.5, Math.round(grid.block * scale), Math.round(grid.block * scale));
      }
    }
    this.#drawNames(at, pane, height);
    if (this.marker) {
      const [left, top] = at(this.marker.x, this.marker.y);
      for (const [colour, width] of [["#fff", 4], ["#d1006c", 2]]) {
        ink.beginPath();
        ink.arc(left, top, 7, 0, 7);
        Object.assign(ink, { strokeStyle: colour, lineWidth: width });
        ink.stroke();
      }
    }
    ink.restore();
  }

  #drawNames(at, pane, height) {
    const { ink, grid, colours } = this;
    const counties = this.page.outlines.counties.length && this.view.scale * grid.width > 6000;
    const names = [
      ...this.page.places.map(({ name, x, y }) => [name, x, y - grid.block * 0.8, "600 12px"]),
      ...[...this.page.outlines.states, ...(counties ? this.page.outlines.counties : [])]
        .filter(({ label }) => label).map(({ name, label }) => [name, ...label, "400 12px"]),
    ];
    const taken = [];
    Object.assign(ink, { textAlign: "center", textBaseline: "middle", lineJoin: "round" });
    for (const [name, column, row, font] of names) {
      const [left, top] = at(column, row);
      const half = 3.6 * name.length;
      if (left < pane.left || left > pane.left + pane.width || top < 0 || top > height) continue;
      if (taken.some(([x, y, w]) => Math.abs(x - left) < w + half && Math.abs(y - top) < 15)) continue;
      taken.push([left, top, half]);
      ink.font = `${font} system-ui, sans-serif`;
      Object.assign(ink, { strokeStyle: colours.paper, lineWidth: 3, fillStyle: colours.ink });
      ink.strokeText(name, left, top);
      ink.fillText(name, left, top);
    }
  }
}

/** A chunk among those that are painted. */
const nameOf = ({ layer, key, clear }, { level, row, column }) => `${layer.id}|${key}|${clear ?? ""}|${level}|${row}|${column}`;

/** A chunk as a canvas of its size. */
function paint(layer, chunk) {
  const [height, width] = chunk.shape.slice(-2);
  const image = new ImageData(width, height);
  for (let index = 0; index < width * height; index++) layer.paint(chunk.data, image.data, index);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
