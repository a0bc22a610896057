// A cube in a folder, for Node.

import { open, readFile, readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

const absent = (error) => {
  if (["ENOENT", "ENOTDIR"].includes(error.code)) return undefined;
  throw error;
};

/** A store over a folder that can list its objects. */
export function folderStore(folder) {
  async function getRange(name, offset, length) {
    const file = await open(join(folder, name)).catch(absent);
    if (!file) return undefined;
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
      return new Uint8Array(buffer.buffer, buffer.byteOffset, bytesRead);
    } finally {
      await file.close();
    }
  }
  async function sizes() {
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const paths = files.map((entry) => join(entry.path, entry.name));
    const names = paths.map((path) => relative(folder, path).split(sep).join("/"));
    const lengths = await Promise.all(paths.map(async (path) => (await stat(path)).size));
    return new Map(names.map((name, index) => [name, lengths[index]]));
  }
  const get = async (name) => {
    const bytes = await readFile(join(folder, name)).catch(absent);
    return bytes && new Uint8Array(bytes);
  };
  return { get, getRange, sizes };
}
