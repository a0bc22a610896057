// What can be drawn. A layer has levels (pixels of the cube on the side of one of its pixels); at each it is read in
// chunks and painted. `at(day)` gives the key of what it shows on a day, or undefined where it has nothing.

import * as colours from "./colours.js";
import { textOf } from "./grid.js";

const WEEK = 8; // days of a chunk of reflectance
const MONTH = 32; // days of a chunk of quality, status and clear fractions

/** All layers of a page: [{group, layers}]. */
export async function layersOf(page, grid, reader) {
  const context = { page, grid, reader, root: reader.cube.root };
  const overviews = await overviewLayers(context);
  const groups = [
    { group: "Season", layers: overviews.filter((layer) => layer.id === "season") },
    { group: "Day", layers: dayLayers(context) },
    { group: "Labels", layers: labelLayers(context, overviews.find((layer) => layer.id === "crop")) },
    ...page.runs.flatMap((run) => runGroups(context, run)),
  ];
  return groups.filter(({ layers }) => layers.length);
}

const seasonAt = (page, day) => page.seasons.find(({ first, last }) => day >= first && day <= last);

/** Whether a level's chunk meets a block of the cube. */
const meets = (grid, side, level, row, column) => {
  const size = side * level;
  return grid.meets([column * size, row * size, (column + 1) * size, (row + 1) * size]);
};

/** True colour and labels of seasons, at the levels of the overviews. */
async function overviewLayers({ page, grid, reader, root }) {
  if (!reader.cube.manifest.parts.overviews) return [];
  const layers = [];
  for (const [id, name, title] of [["season", "true_colour", "True colour of the season"], ["crop", "crop", "Labels"]]) {
    const opened = await Promise.all([32, 8].map(async (level) => [level, await reader.array("overviews", `${level}/${name}`)]));
    const levels = opened.filter(([, array]) => array).map(([level]) => level);
    if (!levels.length) continue;
    const sides = new Map(opened.filter(([, array]) => array).map(([level, array]) => [level, array.chunks.at(-1)]));
    layers.push({
      id, title, levels,
      side: (level) => sides.get(level),
      at: (day) => seasonAt(page, day)?.name,
      has: (level, row, column) => meets(grid, sides.get(level), level, row, column),
      read(level, row, column, season, wanted) {
        const place = [root.seasons.indexOf(season), ...(name === "crop" ? [] : [0]), row, column];
        return reader.chunk("overviews", `${level}/${name}`, place, wanted);
      },
      paint: name === "crop" ? colours.codes(legendOf(root)) : colours.photograph,
      legend: null,
    });
  }
  return layers;
}

const legendOf = ({ legend }) => (legend?.flag_values ?? []).map((code, index) => [code, legend.flag_colors?.[index] ?? "#888888"]);

/** Where a chunk of a group of tiles is: the part, and row and column in the tile. */
function inTile(grid, perTile, row, column) {
  const [tileRow, tileColumn] = [row, column].map((at) => Math.floor(at / perTile));
  return [grid.part(tileRow, tileColumn), row % perTile, column % perTile];
}

function dayLayers({ page, grid, reader, root }) {
  const { flags, not_clear: notClear, scales } = page.vocabulary;
  const bands = root.bands;
  const perTile = (grid.tile * grid.block) / grid.chunk;
  const perBlock = grid.block / grid.chunk;
  const index = (day) => day - grid.first;

  const status = (part, day, wanted) => reader.chunk(part, "blocks/status", [Math.floor(index(day) / MONTH), 0, 0], wanted);
  async function statusOf(part, y, x, day, wanted) {
    const chunk = await status(part, day, wanted);
    return chunk ? chunk.data[(index(day) % MONTH) * grid.tile ** 2 + y * grid.tile + x] : 0;
  }

  const common = {
    levels: [1], side: () => grid.chunk, day: true,
    at: (day) => (index(day) >= 0 && index(day) < MONTH * root.calendar.shards ? day : undefined),
    has: (level, row, column) => grid.covers(row * grid.chunk, column * grid.chunk),
  };
  const size = grid.chunk ** 2;

  async function readQuality(level, row, column, day, wanted) {
    const [part, y, x] = inTile(grid, perTile, row, column);
    const seen = await statusOf(part, Math.floor(y / perBlock), Math.floor(x / perBlock), day, wanted);
    if (seen !== 2 && seen !== 3) return null;
    const chunk = await reader.chunk(part, "imagery/quality", [Math.floor(index(day) / MONTH), y, x], wanted);
    const start = (index(day) % MONTH) * size;
    return chunk && { data: chunk.data.subarray(start, start + size), shape: [1, grid.chunk, grid.chunk], stored: seen === 2 };
  }

  /** {value, shape}: the reflectance of a day as fractions; with `clear`, of clear pixels only. */
  async function readBands(level, row, column, day, wanted, clear) {
    const [part, y, x] = inTile(grid, perTile, row, column);
    const seen = await statusOf(part, Math.floor(y / perBlock), Math.floor(x / perBlock), day, wanted);
    if (seen !== 2) return null;
    const place = [Math.floor(index(day) / WEEK), 0, y, x];
    const [chunk, mask] = await Promise.all([
      reader.chunk(part, "imagery/reflectance", place, wanted),
      clear ? readQuality(level, row, column, day, wanted) : null,
    ]);
    if (!chunk) return null;
    const start = (index(day) % WEEK) * bands.length * size;
    return { data: valueOf(bands, scales, chunk.data, start, size, mask?.data, notClear), shape: [1, grid.chunk, grid.chunk] };
  }

  const [codeOf, words] = [page.vocabulary.status, (name) => name[0].toUpperCase() + name.slice(1)];
  return [
    ...pictures(bands, page.vocabulary.ranges).map((picture) => ({ ...common, ...picture, read: readBands, masked: true })),
    { ...common, id: "quality", title: "Quality and clear mask", paint: colours.quality(flags), legend: colours.qualityLegend, read: readQuality },
    {
      ...common, id: "status", title: "Status: why is this day empty?", levels: [grid.block], side: () => grid.tile,
      has: (level, row, column) => meets(grid, grid.tile, grid.block, row, column),
      async read(level, row, column, day, wanted) {
        const chunk = await status(grid.part(row, column), day, wanted);
        const start = (index(day) % MONTH) * grid.tile ** 2;
        return chunk && { data: chunk.data.subarray(start, start + grid.tile ** 2), shape: [1, grid.tile, grid.tile] };
      },
      paint: colours.codes(Object.entries(colours.STATUS).map(([code, colour]) => [Number(code), colour])),
      legend: { items: Object.entries(colours.STATUS).map(([code, colour]) => [words(codeOf[code]), colour]) },
    },
  ];
}

/** The pictures that bands are enough for, of a day or of a forecast: [{id, title, paint, legend}]. */
function pictures(bands, ranges) {
  const [natural, infrared] = [["red", "green", "blue"], ["nir", "red", "green"]];
  const composed = [
    { id: "true", title: "True colour", needs: natural, paint: colours.threeBands(natural), legend: null },
    { id: "false", title: "False colour (near infrared)", needs: infrared, paint: colours.threeBands(infrared), legend: null },
    { id: "ndvi", title: "NDVI", needs: ["red", "nir"], paint: colours.vegetation, legend: colours.ndviLegend },
  ];
  const single = bands.map((name, index) => ({ id: `band-${name}`, title: `Band ${name}`, ...colours.oneBand(name, ranges[index]) }));
  return [...composed.filter(({ needs }) => needs.every((name) => bands.includes(name))), ...single];
}

/** (band, index of a pixel) -> a fraction, NaN where there is none or, with a mask, where it is not clear. */
function valueOf(bands, scales, data, start, size, mask, notClear) {
  const offsets = new Map(bands.map((name, position) => [name, [start + position * size, scales[position]]]));
  return (band, index) => {
    const [offset, scale] = offsets.get(band);
    const stored = data[offset + index];
    return stored === -9999 || (mask && mask[index] & notClear) ? NaN : stored * scale;
  };
}

function labelLayers({ page, grid, reader, root }, overview) {
  if (!root.label_seasons?.length) return [];
  const perTile = (grid.tile * grid.block) / grid.chunk;
  const { flag_names: names = [], flag_colors: shades = [] } = root.legend ?? {};
  const base = (id, title, array, paint, legend, over) => ({
    id, title, paint, legend,
    levels: [...(over?.levels ?? []), 1],
    side: (level) => (level === 1 ? grid.chunk : over.side(level)),
    at: (day) => { const season = seasonAt(page, day)?.name; return root.label_seasons.includes(season) ? season : undefined; },
    has: (level, row, column) => (level === 1 ? grid.covers(row * grid.chunk, column * grid.chunk) : over.has(level, row, column)),
    read(level, row, column, season, wanted) {
      if (level !== 1) return over.read(level, row, column, season, wanted);
      const [part, y, x] = inTile(grid, perTile, row, column);
      return reader.chunk(part, `labels/${array}`, [root.label_seasons.indexOf(season), y, x], wanted);
    },
  });
  const items = { items: names.map((name, index) => [name, shades[index] ?? "#888888"]) };
  return [
    base("labels", "Labels", "crop", colours.codes(legendOf(root)), items, overview),
    base("purity", "Purity of the labels", "purity", colours.percent(0), colours.percentLegend),
    ...(root.label_confidence ? [base("label-confidence", "Confidence of the labels", "confidence", colours.percent(255), colours.percentLegend)] : []),
  ];
}

/** The layers of a run, and of each of its forecasts. */
function runGroups({ page, grid, reader }, run) {
  const forecasts = run.rasters.filter(({ kind }) => kind === "reflectance");
  const others = run.rasters.filter(({ kind }) => !["reflectance", "quantiles"].includes(kind));
  const title = (raster) => (page.runs.length > 1 ? `${raster.title} (${run.title})` : raster.title);
  return [
    { group: `Run ${run.title}`, layers: others.map((raster) => ({ ...runLayer(grid, reader, run, raster), ...PAINTS[raster.kind](raster) })) },
    ...forecasts.map((raster) => ({ group: title(raster), layers: forecastLayers({ page, grid, reader }, run, raster) })),
  ];
}

const PAINTS = {
  classes: ({ classes }) => ({ paint: colours.codes(classes.map(({ value, color }) => [value, color])), legend: { items: classes.map(({ name, color }) => [name, color]) } }),
  percent: ({ fill }) => ({ paint: colours.percent(fill), legend: colours.percentLegend }),
  colour: () => ({ paint: colours.bytes, legend: { items: [], note: "The first three principal components as red, green and blue: like colours, like embeddings." } }),
};

/** The pictures of a forecast; `observed` is the layer of images that each can be compared with. */
function forecastLayers({ page, grid, reader }, run, raster) {
  const base = runLayer(grid, reader, run, raster);
  const size = raster.side ** 2;
  async function read(...place) {
    const square = await base.read(...place);
    return square && { data: valueOf(raster.bands, page.vocabulary.scales, square.data, 0, size), shape: [1, raster.side, raster.side] };
  }
  return pictures(raster.bands, page.vocabulary.ranges).map(({ id, title, ...picture }) => ({
    ...base, ...picture, read, id: `${base.id}/${id}`, title: `Forecast (${raster.label}): ${title}`, observed: id,
    caption: `Forecast issued ${textOf(raster.issued)}, ${raster.label}`,
  }));
}

/** What all pictures of a run have in common. */
function runLayer(grid, reader, run, raster) {
  const [left, top, right, bottom] = raster.box;
  return {
    id: `${run.name}/${raster.name}`, title: raster.title, run: run.title,
    levels: [...raster.levels].sort((a, b) => b - a), side: () => raster.side,
    steps: raster.steps,
    at: (day) => raster.steps.find(({ first, last }) => day >= first && day <= last)?.key,
    has(level, row, column) {
      const size = raster.side * level;
      const inside = row * size < bottom && (row + 1) * size > top && column * size < right && (column + 1) * size > left;
      return inside && meets(grid, raster.side, level, row, column);
    },
    read: (level, row, column, step, wanted) => reader.square(run.name, raster, step, level, row, column, wanted),
  };
}
