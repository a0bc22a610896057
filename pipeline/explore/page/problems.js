// Errors of the page as one clear line each.

import { DamageError } from "./cube.js";

/** What to say of an error; `address` is that of the cube. */
export function inWords(error, address) {
  if (error instanceof DamageError || error.cause instanceof DamageError) return damage(error.cause ?? error);
  if (error.name === "CodecPipelineError")
    return `A chunk of the cube cannot be decoded (${error.cause?.message ?? error.message}). Run \`mmvsf verify\` to find which, and \`mmvsf repair\` to read it again.`;
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) return unreachable(address);
  if (/memory|allocation/i.test(error.message)) return "The browser is out of memory. Close other pages, or zoom in to read less at a time.";
  return error.message;
}

function damage({ code, object }) {
  const remedy = "`mmvsf verify` lists the damage; `mmvsf repair` rebuilds the damaged parts.";
  const what = { "missing-object": "is missing", "short-object": "is shorter than what was written", "long-object": "is longer than what was written" };
  return `The cube is damaged or is being built: ${object} ${what[code] ?? "is not what was written"} (${code}). ${remedy}`;
}

function unreachable(address) {
  const other = new URL(address, document.baseURI).origin;
  if (other === location.origin) return "The server of this page does not answer. Is `mmvsf explore` still running?";
  return `${other} does not answer, or does not allow this page to read: its CORS rules must allow GET and HEAD from ${location.origin} with the header Range. Or run \`mmvsf explore ${address}\`.`;
}
