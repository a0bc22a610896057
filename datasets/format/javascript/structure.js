// Are the groups and arrays of one part of a cube what the root attributes say, and do their values agree?

import * as zarr from "zarrita";
import { SHARD_DAYS, parse } from "./cube.js";
import { arrays, axes, coordinates, tiles } from "./expected.js";

const WHOLE_BYTES = 65536;
const CODES = {
  "blocks/status": 4, "chunks/split": 3, split: 3,
  "blocks/ascending_status": 4, "blocks/descending_status": 4,
  "blocks/ascending_orbit": 175, "blocks/descending_orbit": 175,
};
const SEEN = {
  "blocks/status": {
    "imagery/reflectance": [-9999, [2]], "imagery/quality": [255, [2, 3]], "imagery/scene": [255, [2, 3]],
  },
  "blocks/ascending_status": { "radar/ascending": [-9999, [2]] },
  "blocks/descending_status": { "radar/descending": [-9999, [2]] },
};

/** A chunk that a check needs was reported, or is reported by the code. */
class Unreadable extends Error {
  constructor(code, key) {
    super(key);
    Object.assign(this, { code, key });
  }
}

/** Report by `say(code, name)` what is wrong with a part; `read(name)` gives an object if it is as written. */
export async function checkPart(root, name, records, read, say) {
  const node = async (key) => (records.has(key) ? parse((await read(key)) ?? new Uint8Array()) : undefined);
  const tile = name.startsWith("tiles/") ? name.slice(6) : "";
  const rows = name === "scenes" ? (await node("day/zarr.json"))?.shape?.[0] ?? 0 : 0;
  const part = { root, tile, records, read, say, node, expected: arrays(root, name, rows), sound: new Map() };
  await checkGroups(part);
  for (const array of Object.keys(part.expected)) await checkArray(part, array);
  for (const check of tile ? [checkValues, checkPixels] : [checkValues]) {
    await check(part, name).catch((error) => {
      if (!(error instanceof Unreadable)) throw error;
      if (error.code) say(error.code, error.key);
    });
  }
}

async function checkGroups({ root, tile, records, read, say, node, expected }) {
  const groups = new Set(["", ...(tile ? Object.keys(expected).map((array) => array.split("/")[0]) : [])]);
  for (const group of groups) {
    const key = `${group}/zarr.json`.replace(/^\//, "");
    if (!records.has(key)) say("missing-group", group);
    const bytes = records.has(key) && (await read(key));
    if (!bytes) continue;
    const found = parse(bytes);
    if (found?.node_type !== "group") say("bad-metadata", key);
    else if (group) {
      const mapping = (await node(`${group}/spatial_ref/zarr.json`))?.attributes ?? {};
      checkGeoreference(root, axes(root, tile, group), found.attributes ?? {}, mapping, (code) => say(code, group));
    }
  }
}

/** CRS and transform of a group, by its own attributes and by those of its CF grid mapping. */
function checkGeoreference({ grid }, { step, left, top, rows, columns }, attributes, mapping, say) {
  const code = /ID\["EPSG",(\d+)\]\]$/.exec(mapping.crs_wkt ?? "")?.[1];
  if (grid.crs.startsWith("EPSG:") && !(attributes["proj:code"] === grid.crs && `EPSG:${code}` === grid.crs))
    say("wrong-crs");
  const near = (given, expected) =>
    given?.length === 6 && given.every((value, index) => Math.abs(value - expected[index]) <= step * 1e-6);
  const gdal = String(mapping.GeoTransform ?? "").trim().split(/\s+/).map(Number);
  const same = near(attributes["spatial:transform"], [step, 0, left, 0, -step, top]) &&
    near(gdal, [left, step, 0, top, 0, -step]);
  if (!same || String(attributes["spatial:shape"]) !== `${rows},${columns}`) say("wrong-transform");
}

async function checkArray({ records, read, say, expected, sound }, name) {
  const key = `${name}/zarr.json`;
  if (!records.has(key)) {
    const group = name.includes("/") ? `${name.split("/")[0]}/zarr.json` : "zarr.json";
    if (records.has(group)) say("missing-array", name);
    return;
  }
  const bytes = await read(key);
  if (!bytes) return;
  const node = parse(bytes);
  let codes;
  try {
    codes = differences(node, expected[name]);
  } catch {
    say("bad-metadata", key);
    return;
  }
  for (const code of codes) say(code, name);
  if (codes.length) return;
  sound.set(name, node);
  const { shape, shard, chunk } = expected[name];
  const counts = shape.map((size, axis) => Math.ceil(size / (shard ?? chunk)[axis]));
  for (const [object, record] of records) {
    if (!object.startsWith(`${name}/c`)) continue;
    const place = object.slice(name.length + 1).split("/").slice(1);
    const isChunk = place.length === counts.length &&
      place.every((index, axis) => String(Number(index)) === index && Number(index) < counts[axis]);
    if (!isChunk) say("stray-object", object);
    else if ((record.length === 3) !== Boolean(shard && record[0] > WHOLE_BYTES)) say("bad-manifest", object);
  }
}

/** The codes of the ways in which the metadata of an array is not as expected. */
function differences(node, expected) {
  const [first] = node.codecs;
  const inner = first.name === "sharding_indexed" ? [first.configuration.chunk_shape] : [];
  const chunks = [node.chunk_grid.configuration.chunk_shape, ...inner];
  const plain = `${expected.type === "uint8" ? "bytes" : "bytes little"}, blosc zstd 3 shuffle`;
  const sharded = `sharding_indexed (${plain}, crc32c; bytes little, crc32c; end)`;
  const codecs = expected.type === "string" ? "vlen-utf8" : expected.shard ? sharded : plain;
  return Object.entries({
    "wrong-type": [node.data_type, expected.type],
    "wrong-dimensions": [node.dimension_names ?? [], expected.dimensions],
    "wrong-shape": [node.shape, expected.shape],
    "wrong-chunks": [
      [chunks, node.chunk_key_encoding.name, node.chunk_key_encoding.configuration?.separator],
      [expected.shard ? [expected.shard, expected.chunk] : [expected.chunk], "default", "/"],
    ],
    "wrong-fill": [node.fill_value, expected.fill],
    "wrong-codecs": [codecText(node.codecs, node.data_type), codecs],
  }).filter(([, [is, must]]) => JSON.stringify(is) !== JSON.stringify(must)).map(([code]) => code);
}

/** Codecs in one line, with those of their options that change the values or the size. */
function codecText(codecs, type) {
  const names = ["endian", "cname", "clevel", "shuffle"].filter((name) => name !== "endian" || type !== "uint8");
  return codecs.map(({ name, configuration: options = {} }) => {
    const word = [name, ...names.filter((key) => key in options).map((key) => options[key])].join(" ");
    if (name !== "sharding_indexed") return word;
    const index = codecText(options.index_codecs, "uint64");
    return `${word} (${codecText(options.codecs, type)}; ${index}; ${options.index_location ?? "end"})`;
  }).join(", ");
}

/** A chunk, or a shard, of a sound array: {data, shape}; undefined where it is absent. Throws Unreadable. */
async function readChunk({ records, read, sound }, name, place) {
  const key = [name, "c", ...place].join("/");
  if (!records.has(key)) return undefined;
  const bytes = await read(key);
  if (!bytes) throw new Unreadable(undefined, key);
  const node = sound.get(name);
  const one = { ...node, shape: node.chunk_grid.configuration.chunk_shape };
  const files = { "/zarr.json": new TextEncoder().encode(JSON.stringify(one)) };
  files[["/c", ...place.map(() => 0)].join("/")] = bytes;
  const getRange = (file, range) => {
    const offset = "suffixLength" in range ? bytes.length - range.suffixLength : range.offset;
    if (offset < 0) throw new Error("the shard is shorter than its index");
    return files[file]?.subarray(offset, offset + (range.length ?? range.suffixLength));
  };
  try {
    const array = await zarr.open.v3(zarr.root({ get: (file) => files[file], getRange }), { kind: "array" });
    const isSharded = node.codecs[0].name === "sharding_indexed";
    const chunk = isSharded ? await zarr.get(array) : await array.getChunk(place.map(() => 0));
    const length = one.shape.reduce((product, size) => product * size, 1);
    if (chunk.data.length !== length) throw new Error("it decodes to another number of values");
    return chunk;
  } catch {
    throw new Unreadable("bad-chunk", key);
  }
}

/** The values of an array whose chunks divide its first axis only; undefined where it is not sound. */
async function readArray(part, name) {
  if (!part.sound.has(name)) return undefined;
  const { shape, chunk, fill } = part.expected[name];
  const size = shape.reduce((product, length) => product * length, 1);
  const values = new Array(size).fill(fill === "NaN" ? NaN : fill);
  const row = shape.length ? size / shape[0] : 1;
  for (let index = 0; index < Math.ceil((shape[0] ?? 1) / (chunk[0] ?? 1)); index++) {
    const stored = await readChunk(part, name, shape.map((_, axis) => (axis ? 0 : index)));
    if (!stored) continue;
    const start = index * (chunk[0] ?? 1) * row;
    for (let at = 0; at < stored.data.length && start + at < size; at++) values[start + at] = stored.data[at];
  }
  return values;
}

async function checkValues(part, name) {
  const { root, tile, say, expected } = part;
  for (const array of Object.keys(expected).sort()) {
    const group = tile ? array.split("/")[0] : "";
    const known = { ...coordinates(root, group), ...(group ? axes(root, tile, group).centres : {}) };
    const last = array.split("/").pop();
    if (!(last in known) && !(array in CODES)) continue;
    const stored = await readArray(part, array);
    if (!stored) continue;
    if (array in CODES && stored.some((code) => code > CODES[array])) say("unknown-code", array);
    if (last in known) checkAxis(array, last, stored, known[last], say);
  }
  if (name === "seasons") {
    const [names, start, end] = await Promise.all(["season", "start", "end"].map((array) => readArray(part, array)));
    if (names && start && end && !areSeasons(names, start, end)) say("bad-seasons", "start");
  }
}

function checkAxis(name, dimension, stored, known, say) {
  const near = 1e-6 * (Math.abs(known[0] - known.at(-1)) || 1);
  const same = "yx".includes(dimension)
    ? (value, index) => Math.abs(value - known[index]) <= near
    : (value, index) => value === known[index];
  const rises = stored.every((value, index) => !index || value > stored[index - 1]);
  if (dimension === "time" && !rises) say("unsorted-time", name);
  else if (!stored.every(same)) say(dimension === "time" ? "wrong-calendar" : "wrong-coordinates", name);
}

/** A season has 12 months, begins after the one before, and bears the year in which it begins or ends. */
function areSeasons(names, start, end) {
  const year = (day) => new Date(day * 86400000).getUTCFullYear();
  const lasts = start.every((day, index) => [364, 365].includes(end[index] - day));
  const ordered = start.every((day, index) => !index || day > end[index - 1]);
  return lasts && ordered && [start, end].some((days) => days.every((day, index) => year(day) === names[index]));
}

/** Status against the recipe's blocks and against what is stored of each block and day. */
async function checkPixels(part) {
  for (const name of Object.keys(SEEN)) await checkStatus(part, name);
}

async function checkStatus(part, statusName) {
  const status = await readArray(part, statusName);
  if (!status) return;
  const [times, rows, columns] = part.expected[statusName].shape;
  const covered = tiles(part.root).get(part.tile);
  let wrong = status.some((code, index) => {
    const block = index % (rows * columns);
    return code && !covered.has(`${Math.floor(block / columns)},${block % columns}`);
  });
  const orbit = statusName !== "blocks/status" && (await readArray(part, statusName.replace("_status", "_orbit")));
  if (orbit) wrong ||= status.some((code, index) => (code === 2) !== (orbit[index] !== 0));
  for (const [name, [fill, codes]] of Object.entries(SEEN[statusName])) {
    if (!part.sound.has(name)) continue;
    for (let time = 0; time < times / SHARD_DAYS; time++)
      for (let block = 0; block < rows * columns; block++) {
        const place = [time, ...(part.expected[name].shape.length === 4 ? [0] : []), Math.floor(block / columns), block % columns];
        const stored = await readChunk(part, name, place);
        const day = stored ? stored.data.length / SHARD_DAYS : 0;
        for (let index = 0; index < SHARD_DAYS; index++) {
          const seen = Boolean(stored?.data.subarray(index * day, (index + 1) * day).some((value) => value !== fill));
          wrong ||= seen !== codes.includes(status[(time * SHARD_DAYS + index) * rows * columns + block]);
        }
      }
  }
  if (wrong) part.say("status-disagrees", statusName);
}
