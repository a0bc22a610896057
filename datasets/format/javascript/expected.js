// What the root attributes of a cube say that its arrays are, by arrays.json.

import TABLE from "../arrays.json" with { type: "json" };
import { SHARD_DAYS } from "./cube.js";

/** In which way root attributes that fit their schema contradict each other. */
export function contradiction({ grid }) {
  if (grid.block % grid.chunk || grid.blocks_y % grid.tile || grid.blocks_x % grid.tile)
    return "grid: chunks must divide a block, and tiles the grid";
  if (grid.blocks.some(([y, x]) => y >= grid.blocks_y || x >= grid.blocks_x))
    return "grid.blocks: a block lies outside the grid";
  const side = grid.tile * grid.block * grid.resolution;
  const places = [(grid.left - grid.origin[0]) / side, (grid.top - grid.origin[1]) / side];
  if (places.some((place) => Math.abs(place - Math.round(place)) > 1e-6))
    return "grid: its edges do not lie on edges of tiles";
}

/** Map of tile -> set of `row,column` in the tile of the blocks that the recipe covers. */
export function tiles({ grid }) {
  const side = grid.tile * grid.block * grid.resolution;
  const west = Math.round((grid.left - grid.origin[0]) / side);
  const north = Math.round((grid.top - grid.origin[1]) / side);
  const covered = new Map();
  for (const [y, x] of grid.blocks) {
    const name = `x${west + Math.floor(x / grid.tile)}_y${north - 1 - Math.floor(y / grid.tile)}`;
    if (!covered.has(name)) covered.set(name, new Set());
    covered.get(name).add(`${y % grid.tile},${x % grid.tile}`);
  }
  return covered;
}

/** The axes of a group of a tile: the side of a pixel, the upper left corner, the shape, and the centres. */
export function axes({ grid }, tile, group) {
  const pixels = TABLE.pixels[group];
  const cell = grid[pixels] ?? pixels;
  const side = grid.tile * grid.block;
  const [x, y] = tile.slice(1).split("_y").map(Number);
  const [firstX, firstY] = [x, y].map((place) => Math.floor((place * side) / cell));
  const [lastX, lastY] = [x, y].map((place) => Math.ceil(((place + 1) * side) / cell));
  const step = cell * grid.resolution;
  const [left, top] = [grid.origin[0] + firstX * step, grid.origin[1] + lastY * step];
  const [rows, columns] = [lastY - firstY, lastX - firstX];
  const centres = {
    y: Array.from({ length: rows }, (_, row) => top - (row + 0.5) * step),
    x: Array.from({ length: columns }, (_, column) => left + (column + 0.5) * step),
  };
  return { step, left, top, rows, columns, centres };
}

/** Dimension -> its values, of those that are the same in every tile. */
export function coordinates(root, group) {
  const { first_day: first, shards } = root.calendar;
  return {
    time: Array.from({ length: SHARD_DAYS * shards }, (_, index) => first + index),
    season: root[group === "labels" ? "label_seasons" : "seasons"],
    band: root.bands ?? TABLE.bands,
    variable: root.weather_variables,
    polarisation: root.radar_polarisations ?? [],
  };
}

/** Name in the part -> {type, dimensions, shape, shard, chunk, fill} of each array that a part must have. */
export function arrays(root, part, row) {
  const tile = part.startsWith("tiles/") ? part.slice(6) : "";
  const expected = {};
  for (const [name, rule] of present(root, tile ? "tiles/<tile>" : part)) {
    const group = tile ? name.split("/")[0] : part;
    const sizes = { bnds: 2, row };
    for (const [dimension, values] of Object.entries(coordinates(root, group))) sizes[dimension] = values.length;
    if (tile) {
      const { rows, columns } = axes(root, tile, group);
      Object.assign(sizes, { y: rows, x: columns });
      expected[`${group}/spatial_ref`] = { type: "int32", dimensions: [], shape: [], chunk: [], fill: 0 };
    }
    const { type, dimensions, fill } = rule;
    const shape = dimensions.map((dimension) => sizes[dimension]);
    const lengths = (lengths) => lengths?.map((length, axis) => Math.max(1, lengthOf(root, length, shape[axis])));
    expected[name] = { type, dimensions, shape, shard: lengths(rule.shard), chunk: lengths(rule.chunk), fill };
    for (const dimension of dimensions.filter((dimension) => dimension in TABLE.coordinates)) {
      const length = [sizes[dimension]];
      const axis = { ...TABLE.coordinates[dimension], dimensions: [dimension], shape: length, chunk: length };
      expected[tile ? `${group}/${dimension}` : dimension] = axis;
    }
  }
  return expected;
}

/** The rows of the table that a cube has. */
function* present(root, kind) {
  for (const [name, rule] of Object.entries(TABLE.arrays[kind] ?? {})) {
    if (rule.each) for (const member of root[rule.each] ?? []) yield [name.replace("*", member), rule];
    else if ((rule.only ?? []).every((part) => isSet(root[part]))) yield [name, rule];
  }
}

const isSet = (value) => (Array.isArray(value) ? value.length > 0 : Boolean(value));

/** The length of a chunk along an axis: a number, at most that of the axis; `all`; or a member of the root's grid. */
function lengthOf(root, length, size) {
  if (typeof length === "number") return Math.min(length, size);
  return length === "all" ? size : root.grid[length];
}
