// From stored numbers to colours: each function makes a painter, which sets RGBA of one pixel of a chunk.

export const BRIGHTEST = { red: 0.3, green: 0.3, blue: 0.3, nir: 0.5 };
const NDVI = [[-0.1, "#8c6d4f"], [0.1, "#d9c6a0"], [0.3, "#e6e2a3"], [0.5, "#9fc55f"], [0.7, "#3f9142"], [0.95, "#0b4a1e"]];
const PERCENT = [[0, "#440154"], [25, "#3b528b"], [50, "#21918c"], [75, "#5ec962"], [100, "#fde725"]];
export const STATUS = { 1: "#9aa5ae", 2: "#1b7f5a", 3: "#e3a72f", 4: "#c8371d" };
const QUALITY = [["cloud shadow", "#4b3f72"], ["cloud", "#e8e8e8"], ["adjacent to cloud or shadow", "#a9b4c0"],
  ["snow or ice", "#7fd4ee"], ["water", "#2b6cb0"], ["aerosol high", "#d08770"]];
const CLEAR = "#4f8a4f";

export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** 256 colours between stops, and the function from a value to its place among them. */
function ramp(stops) {
  const [low, high] = [stops[0][0], stops.at(-1)[0]];
  const table = Array.from({ length: 256 }, (_, index) => {
    const value = low + ((high - low) * index) / 255;
    const next = Math.max(1, stops.findIndex(([at]) => at >= value));
    const [[from, a], [to, b]] = [stops[next - 1], stops[next]];
    const share = (value - from) / (to - from);
    return rgb(a).map((part, channel) => Math.round(part + share * (rgb(b)[channel] - part)));
  });
  return (value) => table[Math.min(255, Math.max(0, Math.round((255 * (value - low)) / (high - low))))];
}

/** Fields are dark: brightness is raised in the middle, as in a photograph. */
const lit = Uint8Array.from({ length: 256 }, (_, index) => Math.round(255 * (index / 255) ** 0.7));

const ndviColour = ramp(NDVI);
const percentColour = ramp(PERCENT);
const gradient = (stops, unit) => ({ ramp: stops.map(([, colour]) => colour), from: stops[0][0] + unit, to: stops.at(-1)[0] + unit });
export const ndviLegend = gradient(NDVI, "");
export const percentLegend = gradient(PERCENT, " %");

const put = (out, at, [red, green, blue], alpha = 255) => {
  out[at] = red; out[at + 1] = green; out[at + 2] = blue; out[at + 3] = alpha;
};

/** Three bands of reflectance; `value(band, index)` is a fraction, NaN where there is none. */
export const threeBands = (bands) => (value, out, index) => {
  const parts = bands.map((band) => value(band, index) / (BRIGHTEST[band] ?? 0.4));
  if (parts.some(Number.isNaN)) return;
  put(out, 4 * index, parts.map((part) => lit[Math.round(255 * Math.min(1, Math.max(0, part)))]));
};

export const ndviOf = (value, index) => {
  const [red, nir] = [value("red", index), value("nir", index)];
  return (nir - red) / Math.max(nir + red, 0.01);
};

export const vegetation = (value, out, index) => {
  const ndvi = ndviOf(value, index);
  if (!Number.isNaN(ndvi)) put(out, 4 * index, ndviColour(ndvi));
};

/** One band in grey, dark to bright, from the least to the most of a range or to what is bright in reflectance. */
export function oneBand(band, [least, most]) {
  const bright = BRIGHTEST[band] ?? most;
  const shade = ramp([[least, "#000000"], [bright, "#ffffff"]]);
  return {
    paint(value, out, index) {
      const number = value(band, index);
      if (!Number.isNaN(number)) put(out, 4 * index, shade(number));
    },
    legend: { ramp: ["#000000", "#ffffff"], from: least, to: bright },
  };
}

/** Codes with a colour each: Map of code -> "#rrggbb"; others are transparent. */
export function codes(colours) {
  const table = new Map([...colours].map(([code, colour]) => [code, rgb(colour)]));
  return (data, out, index) => {
    const colour = table.get(data[index]);
    if (colour) put(out, 4 * index, colour);
  };
}

export const percent = (fill) => (data, out, index) => {
  if (data[index] !== fill && data[index] <= 100) put(out, 4 * index, percentColour(data[index]));
};

const three = (shade) => (data, out, index) => {
  const size = data.length / 3;
  if (data[index]) put(out, 4 * index, [shade(data[index]), shade(data[index + size]), shade(data[index + 2 * size])]);
};

/** Three bands of bytes, 0 where there is none. */
export const bytes = three((value) => value);
/** The same of a composite in true colour. */
export const photograph = three((value) => lit[value]);

/** Quality bits: what was not clear by its first reason, and clear ground. `flags` are [name, mask, value]. */
export function quality(flags) {
  const known = QUALITY.map(([name, colour]) => [flags.find(([flag]) => flag === name), rgb(colour)]).filter(([flag]) => flag);
  return (data, out, index) => {
    if (data[index] === 255) return;
    const match = known.find(([[, mask, value]]) => (data[index] & mask) === value);
    put(out, 4 * index, match ? match[1] : rgb(CLEAR));
  };
}

export const qualityLegend = { items: [["clear", CLEAR], ...QUALITY] };
