// Read a cube of format 2 (docs/cube-format.md) in a browser or in Node, over zarrita.
//   import { openCube } from "./cube.js";
//   const cube = await openCube("https://example.org/iowa.zarr");
//   const image = await cube.readDay(cube.tiles[0], "imagery/reflectance", "2022-07-18");
//
// Everything that is read is compared with the manifest; a DamageError names the object that is not what was written.

import * as zarr from "zarrita";

export const SHARD_DAYS = 32;
const [CACHED_OBJECTS, TAIL_BYTES] = [512, 4096];

/** What is wrong with a cube: one of the codes of the specification, and the object. */
export class DamageError extends Error {
  constructor(code, object, message) {
    super(`${object}: ${message} (${code})`);
    Object.assign(this, { name: "DamageError", code, object });
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0x82f63b78 : byte >>> 1;
  return byte >>> 0;
});

/** The codec crc32c (RFC 3720), which compares the checksum; that of zarrita 0.7 only removes it. */
class Crc32c {
  kind = "bytes_to_bytes";
  static fromConfig = () => new Crc32c();
  computeEncodedSize = (size) => size + 4;
  decode(bytes) {
    const content = bytes.subarray(0, -4);
    let crc = 0xffffffff;
    for (const byte of content) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
    const stored = new DataView(bytes.buffer, bytes.byteOffset + content.length, 4).getUint32(0, true);
    if ((crc ^ 0xffffffff) >>> 0 !== stored) throw new Error("the checksum of a chunk is wrong");
    return content;
  }
}
zarr.registry.set("crc32c", () => Crc32c);

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** SHA-256 in hexadecimal. */
export const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));

/** JSON in UTF-8; undefined for anything else. */
export function parse(bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** A cube behind any web server. `get` gives undefined for an object that is not there. */
export function httpStore(address) {
  async function request(name, offset, length) {
    const headers = length === undefined ? {} : { Range: `bytes=${offset}-${offset + length - 1}` };
    const answer = await fetch(`${address.replace(/\/$/, "")}/${name}`, { headers });
    if ([403, 404, 410].includes(answer.status)) return undefined;
    if (!answer.ok && answer.status !== 416) throw new Error(`${answer.url} answers ${answer.status}`);
    const bytes = answer.ok ? new Uint8Array(await answer.arrayBuffer()) : new Uint8Array();
    // A server without ranges sends the whole.
    return length !== undefined && answer.status === 200 ? bytes.subarray(offset, offset + length) : bytes;
  }
  return { get: (name) => request(name), getRange: request };
}

const tailOf = async (bytes) => (await sha256(bytes.subarray(-TAIL_BYTES))).slice(0, 16);
const lengthCode = (bytes, length) => !bytes ? "missing-object"
  : bytes.length < length ? "short-object" : bytes.length > length ? "long-object" : undefined;

/** The code of the difference between an object and its record [length, hash, tail]; undefined if there is none. */
export async function difference(bytes, [length, hash, tail]) {
  const code = lengthCode(bytes, length);
  const same = code || ((await sha256(bytes)) === hash && (!tail || (await tailOf(bytes)) === tail));
  return code ?? (same ? undefined : "hash-mismatch");
}

async function proven(name, bytes, record, code) {
  if ((code = await difference(bytes, record))) throw new DamageError(code, name, "it is not what was written");
  return bytes;
}

/** A part of a cube as a store for zarrita, which holds nothing that the manifest does not list. */
class PartStore {
  #cache = new Map();

  constructor(store, part, records) {
    Object.assign(this, { store, part, records: new Map(Object.entries(records)) });
  }

  /** The result of `read` for an object, which runs once while the object is in the cache. */
  #once(key, read) {
    if (!this.#cache.has(key)) {
      const result = read();
      result.catch(() => this.#cache.delete(key));
      this.#cache.set(key, result);
      if (this.#cache.size > CACHED_OBJECTS) this.#cache.delete(this.#cache.keys().next().value);
    }
    return this.#cache.get(key);
  }

  async get(key) {
    const [name, record] = [this.part + key, this.records.get(key.slice(1))];
    return record && this.#once(name, async () => proven(name, await this.store.get(name), record));
  }

  /** A range of an object. Of a larger shard, length and end are compared; its chunks have checksums. */
  async getRange(key, range) {
    const [name, record] = [this.part + key, this.records.get(key.slice(1))];
    if (!record) return undefined;
    const length = range.suffixLength ?? range.length;
    const offset = range.suffixLength ? record[0] - length : range.offset;
    if (record.length < 3) return (await this.get(key)).subarray(offset, offset + length);
    await this.#once(`${name} tail`, async () => {
      // One byte more than there should be shows an object that is too long.
      const end = await this.store.getRange(name, record[0] - TAIL_BYTES, TAIL_BYTES + 1);
      const code = lengthCode(end, TAIL_BYTES) ?? ((await tailOf(end)) === record[2] ? undefined : "hash-mismatch");
      if (code) throw new DamageError(code, name, "it is not what was written");
    });
    return this.store.getRange(name, offset, length);
  }
}

/** Open a cube at an address, or in a store with `get(name)` and `getRange(name, offset, length)`. */
export async function openCube(source) {
  const store = typeof source === "string" ? httpStore(source) : source;
  const [content, whole] = await Promise.all(["zarr.json", "manifest.json"].map((name) => store.get(name)));
  const root = content && parse(content)?.attributes;
  if (root?.format !== "mmvsf-cube") throw new DamageError("bad-root", "zarr.json", "this is no cube");
  if (root.format_version !== 2) throw new DamageError("wrong-version", "zarr.json", "only version 2 is read");
  if (root.complete !== true) throw new DamageError("incomplete", "zarr.json", "its build was not finished");
  if (!whole) throw new DamageError("missing-object", "manifest.json", "it is not there");
  const manifest = parse(whole);
  if (!manifest?.parts || !manifest.root) throw new DamageError("bad-manifest", "manifest.json", "it is none");
  if (root.digest !== manifest.digest || manifest.digest !== (await digestOf(manifest)))
    throw new DamageError("digest-mismatch", "manifest.json", "its digest is not that of the root or of its parts");
  await proven("zarr.json", content, manifest.root);
  return new Cube(store, root, manifest);
}

/** The digest that follows from the parts of a manifest. */
export async function digestOf(manifest) {
  const lines = Object.keys(manifest.parts).sort().map((part) => `${part} ${manifest.parts[part].sha256}\n`);
  return sha256(new TextEncoder().encode(lines.join("")));
}

export class Cube {
  #store;
  #parts = new Map();

  constructor(store, root, manifest) {
    this.#store = store;
    Object.assign(this, { root, manifest, digest: manifest.digest });
    this.tiles = Object.keys(manifest.parts).filter((part) => part.startsWith("tiles/")).map((part) => part.slice(6));
  }

  /** An array of a part as zarrita opens it: `array("tiles/x0_y0", "labels/crop")`. */
  async array(part, name) {
    if (!this.#parts.has(part)) this.#parts.set(part, await this.#openPart(part));
    return zarr.open.v3(zarr.root(this.#parts.get(part)).resolve(name), { kind: "array" });
  }

  async #openPart(part) {
    const name = `manifest/${part}.json`;
    const bytes = await this.#store.get(name);
    await proven(name, bytes, [bytes?.length, this.manifest.parts[part]?.sha256]);
    return new PartStore(this.#store, part, parse(bytes).objects);
  }

  /** One day (a date in text, or days since 1970-01-01) of an array of a tile over time, as stored: {data, shape}. */
  async readDay(tile, name, day) {
    const number = typeof day === "string" ? Math.floor(Date.parse(day) / 86400000) : day;
    const index = number - this.root.calendar.first_day;
    const array = await this.array(`tiles/${tile}`, name);
    if (!(index >= 0 && index < array.shape[0])) throw new RangeError(`${day} lies outside the calendar`);
    return zarr.get(array, [index, ...array.shape.slice(1).map(() => null)]);
  }

  /** The series at a point (metres): {days, status, quality, reflectance}, over time; reflectance over (time, band). */
  async readSeries(tile, x, y) {
    const { block, tile: blocks, resolution, origin } = this.root.grid;
    const [i, j] = tile.slice(1).split("_y").map(Number);
    const column = Math.floor((x - origin[0]) / resolution) - i * blocks * block;
    const row = (j + 1) * blocks * block - 1 - Math.floor((y - origin[1]) / resolution);
    if (!(Math.min(row, column) >= 0 && Math.max(row, column) < blocks * block))
      throw new RangeError(`(${x}, ${y}) lies outside tile ${tile}`);
    const at = async (name, index) => (await zarr.get(await this.array(`tiles/${tile}`, name), index)).data;
    const [status, quality, reflectance] = await Promise.all([
      at("blocks/status", [null, Math.floor(row / block), Math.floor(column / block)]),
      at("imagery/quality", [null, row, column]),
      at("imagery/reflectance", [null, null, row, column]),
    ]);
    const days = Int32Array.from(status, (_, index) => this.root.calendar.first_day + index);
    return { days, status, quality, reflectance };
  }
}
