// Print what the reader gives as a JSON list: node read.js READER '[[CUBE, TILE, DAY, X, Y], ...]'
// CUBE is a folder or an address. An error is given as {"code": ..., "object": ...}.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folderStore } from "./folder.js";

const [reader, jobs] = process.argv.slice(2);
const { openCube } = await import(pathToFileURL(join(reader, "cube.js")));
const plain = (values) => Array.from(values, Number);

async function read([source, tile, day, x, y]) {
  const cube = await openCube(source.startsWith("http") ? source : folderStore(source));
  const image = await cube.readDay(tile, "imagery/reflectance", day);
  const status = await cube.readDay(tile, "blocks/status", day);
  const series = await cube.readSeries(tile, x, y);
  return {
    tiles: cube.tiles,
    digest: cube.digest,
    shape: image.shape,
    image: plain(image.data),
    status: plain(status.data),
    days: plain(series.days),
    series: plain(series.reflectance),
    quality: plain(series.quality),
  };
}

const results = [];
for (const job of JSON.parse(jobs)) {
  const failed = (error) => ({ code: error.code ?? error.name, object: error.object ?? "", message: error.message });
  results.push(await read(job).catch(failed));
}
console.log(JSON.stringify(results));
