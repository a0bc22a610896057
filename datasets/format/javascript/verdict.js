// The verdict on a cube, with the codes of docs/cube-format.md: those of the validator in Python.
//
//   const findings = await verdict(store);     // [[code, object], ...], sorted; none for a sound cube
//
// A store has `get(name)`; one with `sizes()` too (a Map of name -> bytes) is compared with its listing.

import MANIFEST from "../manifest.schema.json" with { type: "json" };
import PART from "../part.schema.json" with { type: "json" };
import ROOT from "../root.schema.json" with { type: "json" };
import { difference, digestOf, parse, sha256 } from "./cube.js";
import { contradiction, tiles } from "./expected.js";
import { fits } from "./schema.js";
import { checkPart } from "./structure.js";

/** [code, object] of everything that is wrong with a cube. */
export async function verdict(store) {
  const findings = new Map();
  const report = (code, object) => void findings.set(`${code} ${object}`, [code, object]);
  const cube = { store, report, sizes: await store.sizes?.(), records: new Map(), parts: new Map(), bad: new Set() };
  if ((await readRoot(cube)) && (await readManifest(cube))) {
    compareListing(cube);
    for (const name of cube.records.keys()) await readObject(cube, name);
    for (const [part, records] of cube.parts) {
      const say = (code, name) => report(code, `${part}/${name}`.replace(/\/$/, ""));
      await checkPart(cube.root, part, records, (name) => readObject(cube, `${part}/${name}`), say);
    }
  }
  return [...findings.keys()].sort().map((key) => findings.get(key));
}

async function fetchObject({ store, report }, name) {
  const bytes = await store.get(name);
  if (!bytes) report("missing-object", name);
  return bytes;
}

/** An object that a manifest lists; undefined, and one finding, where it is not what was written. */
async function readObject(cube, name) {
  if (cube.bad.has(name)) return undefined;
  const bytes = await cube.store.get(name);
  const code = await difference(bytes, cube.records.get(name));
  if (!code) return bytes;
  cube.bad.add(name);
  cube.report(code, name);
}

async function readRoot(cube) {
  cube.content = await fetchObject(cube, "zarr.json");
  if (!cube.content) return false;
  const node = parse(cube.content);
  const root = node?.node_type === "group" ? node.attributes : undefined;
  let code;
  if (root?.format !== "mmvsf-cube") code = "bad-root";
  else if (root.format_version !== 2) code = "wrong-version";
  else if (root.complete !== true) code = "incomplete";
  else if (!fits(ROOT, root) || contradiction(root)) code = "bad-root";
  if (code) cube.report(code, "zarr.json");
  cube.root = root;
  return !code;
}

async function readManifest(cube) {
  const bytes = await fetchObject(cube, "manifest.json");
  const manifest = canonical(cube, "manifest.json", bytes, MANIFEST);
  if (!manifest) return false;
  const code = await difference(cube.content, manifest.root);
  if (code) cube.report(code, "zarr.json");
  if ((await digestOf(manifest)) !== manifest.digest) cube.report("digest-mismatch", "manifest.json");
  if (cube.root.digest !== manifest.digest) cube.report("digest-mismatch", "zarr.json");
  cube.listed = Object.keys(manifest.parts);
  cube.unread = new Set();
  const due = ["scenes", "seasons", "tiles", ...[...tiles(cube.root).keys()].map((tile) => `tiles/${tile}`)];
  for (const part of [...due, ...cube.listed])
    if (part !== "overviews" && due.includes(part) !== cube.listed.includes(part)) cube.report("wrong-parts", part);
  for (const part of cube.listed) await readPart(cube, part, manifest.parts[part], due.includes(part));
  return true;
}

async function readPart(cube, part, entry, isDue) {
  const name = `manifest/${part}.json`;
  const bytes = await fetchObject(cube, name);
  const same = bytes && (await sha256(bytes)) === entry.sha256;
  if (bytes && !same) cube.report("hash-mismatch", name);
  const objects = same && canonical(cube, name, bytes, PART)?.objects;
  if (!objects) {
    cube.unread.add(part);
    return;
  }
  const records = new Map(Object.entries(objects));
  const total = [...records.values()].reduce((sum, [length]) => sum + length, 0);
  if (records.size !== entry.objects || total !== entry.bytes) cube.report("bad-manifest", name);
  for (const [key, record] of records) cube.records.set(`${part}/${key}`, record);
  if (isDue) cube.parts.set(part, records);
}

/** JSON in its canonical form that fits a schema; undefined, and a finding, for anything else. */
function canonical({ report }, name, bytes, schema) {
  if (!bytes) return undefined;
  const values = parse(bytes);
  if (values !== undefined && fits(schema, values) && text(values) === new TextDecoder().decode(bytes)) return values;
  report("bad-manifest", name);
}

/** JSON with sorted keys and no white space. */
function text(value) {
  if (Array.isArray(value)) return `[${value.map(text).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${text(value[key])}`);
  return `{${members.join(",")}}`;
}

/** Compare names and lengths of what is there with the manifests. */
function compareListing({ sizes, records, bad, report, listed, unread }) {
  if (!sizes) return;
  for (const [name, [length]] of records) {
    const size = sizes.get(name);
    if (size === length) continue;
    bad.add(name);
    report(size === undefined ? "missing-object" : size < length ? "short-object" : "long-object", name);
  }
  const known = new Set(listed.map((part) => `manifest/${part}.json`));
  for (const name of sizes.keys()) {
    if (records.has(name) || known.has(name) || !/^(scenes|seasons|tiles|manifest)\//.test(name)) continue;
    const isOf = (part) => name.startsWith(part === "tiles" ? "tiles/zarr.json" : `${part}/`);
    if (![...unread].some(isOf)) report("extra-object", name);
  }
}
