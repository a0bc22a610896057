// Objects of the cube and squares of the runs' pictures: read, checked, decoded, and kept while there is room.

import { Cube, digestOf, httpStore, parse } from "./cube.js";

const CACHE_BYTES = 160e6; // of decoded numbers; a browser with 4 GB gives a page several times that
const AT_ONCE = 8; // requests
const TYPES = { uint8: Uint8Array, int16: Int16Array };

/** What `explore.json` says, and the cube. Its root is in `explore.json`, since that of a large cube is megabytes long;
 *  the manifest shows whether it is still the root of that cube. `found` is told the address of the cube first. */
export async function openPage(found) {
  const answer = await fetch("explore.json");
  if (!answer.ok) throw new Error(`explore.json cannot be read (${answer.status}); write the page again`);
  const page = await answer.json();
  found(page.cube);
  const store = httpStore(new URL(page.cube, document.baseURI).href);
  const bytes = await store.get("manifest.json");
  if (!bytes) throw new Error(`There is no whole cube at ${new URL(page.cube, document.baseURI)}: manifest.json is missing. Is it being built?`);
  const manifest = parse(bytes);
  if (!manifest?.parts || manifest.digest !== (await digestOf(manifest)))
    throw new Error("The manifest of the cube is damaged. Run `mmvsf verify` to see what else is.");
  if (manifest.digest !== page.root.digest)
    throw new Error("The cube was changed after this page was written. Write the page again, or restart `mmvsf explore`.");
  return { page, cube: new Cube(store, page.root, manifest) };
}

/** Results of reads by key: each runs once, `AT_ONCE` at a time; the oldest are dropped. */
export class Cache {
  #kept = new Map();
  #waiting = [];
  #running = new Map();
  #bytes = 0;

  /** The value if it is here, else undefined. */
  peek(key) {
    const entry = this.#kept.get(key);
    if (!entry) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    return entry.value;
  }

  /** A promise of the value. `wanted` is asked before a read begins; without need for it the promise gives undefined. */
  load(key, read, wanted = () => true) {
    const value = this.peek(key);
    if (value !== undefined) return Promise.resolve(value);
    const running = this.#running.get(key);
    if (running) {
      running.wanted.push(wanted);
      return running.result;
    }
    const task = { key, read, wanted: [wanted] };
    task.result = new Promise((resolve, reject) => Object.assign(task, { resolve, reject }));
    this.#running.set(key, task);
    this.#waiting.push(task);
    this.#next();
    return task.result;
  }

  #active = 0;

  #next() {
    while (this.#active < AT_ONCE && this.#waiting.length) {
      const task = this.#waiting.shift();
      if (!task.wanted.some((wanted) => wanted())) {
        this.#running.delete(task.key);
        task.resolve(undefined);
        continue;
      }
      this.#active++;
      task.read().then((value) => { this.#keep(task.key, value); task.resolve(value); }, task.reject).finally(() => {
        this.#active--;
        this.#running.delete(task.key);
        this.#next();
      });
    }
  }

  #keep(key, value) {
    const bytes = value?.data?.byteLength ?? 64;
    this.#kept.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#kept) {
      if (this.#bytes <= CACHE_BYTES) break;
      this.#kept.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }
}

/** Chunks of arrays and squares of pictures, through one cache. */
export class Reader {
  constructor(cube, cache = new Cache()) {
    Object.assign(this, { cube, cache });
  }

  #arrays = new Map();

  /** An array as zarrita opens it; undefined where the cube does not have it. */
  async array(part, name) {
    const key = `${part}/${name}`;
    if (!this.#arrays.has(key)) {
      const opened = this.cube.array(part, name).catch((error) => {
        if (/NotFound/.test(error.name) || /not found/i.test(error.message)) return undefined;
        this.#arrays.delete(key);
        throw error;
      });
      this.#arrays.set(key, opened);
    }
    return this.#arrays.get(key);
  }

  /** A chunk {data, shape} of an array; null where there is no such array. */
  chunk(part, name, at, wanted) {
    const read = async () => {
      const array = await this.array(part, name);
      return array ? array.getChunk(at) : null;
    };
    return this.cache.load(`${part}/${name}/${at}`, read, wanted);
  }

  /** Squares of a picture of a run: {data, shape: [bands, side, side]}; null where there is none. */
  square(run, raster, step, level, row, column, wanted) {
    const address = `squares/${run}/${raster.name}/${step}/${level}/${row}_${column}.z`;
    const read = async () => {
      const answer = await fetch(address);
      if (answer.status === 404) return null;
      if (!answer.ok) throw new Error(`${raster.title} of ${run} cannot be read: ${await answer.text()}`);
      const plain = answer.body.pipeThrough(new DecompressionStream("deflate"));
      const data = new TYPES[raster.dtype](await new Response(plain).arrayBuffer());
      const side = Math.round(Math.sqrt(data.length / raster.bands.length));
      return { data, shape: [raster.bands.length, side, side] };
    };
    return this.cache.load(address, read, wanted);
  }
}
