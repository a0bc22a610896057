// Print the verdicts on all cubes of a folder as JSON: node verdicts.js READER FOLDER

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folderStore } from "./folder.js";

const [reader, folder] = process.argv.slice(2);
const { verdict } = await import(pathToFileURL(join(reader, "verdict.js")));
const verdicts = {};
for (const name of (await readdir(folder)).filter((name) => name.endsWith(".zarr")).sort())
  verdicts[name.slice(0, -5)] = await verdict(folderStore(join(folder, name)));
console.log(JSON.stringify(verdicts));
