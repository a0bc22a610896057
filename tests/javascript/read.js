// Print what the reader gives of a cube as JSON: node read.js READER CUBE TILE DAY X Y
// CUBE is a folder or an address. An error is printed as {"code": ..., "object": ...}.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folderStore } from "./folder.js";

const [reader, source, tile, day, x, y] = process.argv.slice(2);
const { openCube } = await import(pathToFileURL(join(reader, "cube.js")));
const plain = (values) => Array.from(values, Number);
try {
  const cube = await openCube(source.startsWith("http") ? source : folderStore(source));
  const image = await cube.readDay(tile, "imagery/reflectance", day);
  const status = await cube.readDay(tile, "blocks/status", day);
  const series = await cube.readSeries(tile, Number(x), Number(y));
  console.log(
    JSON.stringify({
      tiles: cube.tiles,
      digest: cube.digest,
      shape: image.shape,
      image: plain(image.data),
      status: plain(status.data),
      days: plain(series.days),
      series: plain(series.reflectance),
      quality: plain(series.quality),
    }),
  );
} catch (error) {
  console.log(JSON.stringify({ code: error.code ?? error.name, object: error.object ?? "", message: error.message }));
}
