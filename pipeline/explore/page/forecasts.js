// What forecasts say about one pixel: read from the quantiles of the runs, and as words, legend and table.

import { textOf } from "./grid.js";

const COLOURS = 6; // --fan-0 to --fan-5 in style.css; more labels share them

/** The labels of all forecasts of a page, each with its own colour. Of several runs they name the run too. */
function labelsOf(page) {
  const named = page.runs.flatMap((run) => run.rasters.filter(({ kind }) => kind === "quantiles").map((raster) => labelOf(page, run, raster)));
  return [...new Set(named)];
}

const labelOf = (page, run, { label }) => (page.runs.length > 1 ? `${label} (${run.title})` : label);

/** The forecasts of a pixel and variable with days in a season: [{label, colour, issued, quantiles, days}], `quantiles`
 *  the levels, `days` [{day, values}] with a value for each level. Forecasts of one label and day of issue are one: areas
 *  may overlap. */
export async function forecastsAt({ page, reader, row, column }, variable, season) {
  const labels = labelsOf(page);
  const read = async (run, raster) => {
    const [left, top, right, bottom] = raster.box;
    if (raster.variable !== variable || column < left || column >= right || row < top || row >= bottom) return undefined;
    const step = raster.steps.find(({ first, last }) => first <= season.last && last >= season.first);
    if (!step) return undefined;
    const { side } = raster;
    const square = await reader.square(run.name, raster, step.key, 1, Math.floor(row / side), Math.floor(column / side));
    if (!square) return undefined;
    const pixel = (row % side) * side + (column % side);
    const count = raster.quantiles.length;
    const stored = (day, level) => square.data[(day * count + level) * side * side + pixel];
    const days = raster.days.map((day, index) => ({ day, values: raster.quantiles.map((_, level) => stored(index, level)) }))
      .filter(({ day, values }) => day >= season.first && day <= season.last && !values.includes(raster.fill))
      .map(({ day, values }) => ({ day, values: values.map((value) => value * raster.scale) }));
    return { label: labelOf(page, run, raster), issued: raster.issued, quantiles: raster.quantiles, days };
  };
  const all = await Promise.all(page.runs.flatMap((run) => run.rasters.filter(({ kind }) => kind === "quantiles").map((raster) => read(run, raster))));
  const fans = new Map();
  for (const { label, issued, quantiles, days } of all.filter((forecast) => forecast?.days.length)) {
    const key = `${issued} ${label}`;
    const fan = fans.get(key) ?? { label, colour: labels.indexOf(label) % COLOURS, issued, quantiles, days: [] };
    fan.days.push(...days.filter(({ day }) => fan.days.every((other) => other.day !== day)));
    fan.days.sort((a, b) => a.day - b.day);
    fans.set(key, fan);
  }
  return [...fans.values()];
}

export const median = (values) => values[(values.length - 1) / 2];

/** The intervals of a fan, the widest first: [{share, low, high}], percent and positions of the quantiles. */
export function intervals({ quantiles }) {
  const count = quantiles.length;
  return Array.from({ length: (count - 1) / 2 }, (_, low) => ({
    low, high: count - 1 - low, share: Math.round(100 * (quantiles[count - 1 - low] - quantiles[low])),
  }));
}

/** The limits of the widest interval, as text; nothing where a forecast has its median only. */
const widest = (fan, values) => intervals(fan).slice(0, 1).map(({ low, high }) => `${values[low].toFixed(2)} to ${values[high].toFixed(2)}`);

/** The label of a fan, with its day of issue where there are several. */
function nameOf(fan, fans) {
  return fans.some(({ issued }) => issued !== fan.issued) ? `${fan.label}, issued ${textOf(fan.issued)}` : fan.label;
}

/** What is forecast of a day, in words: one text a forecast. */
export function forecastWords(fans, day) {
  return fans.flatMap((fan) => fan.days.filter((entry) => entry.day === day)
    .map(({ values }) => `forecast ${median(values).toFixed(2)} (${[...widest(fan, values), nameOf(fan, fans)].join(", ")})`));
}

/** The numbers of fans as text: heads of the columns, and for each fan its name and rows [{day, cells}]. */
export function forecastTable(fans, points) {
  const heads = ["Day", "Median", ...intervals(fans[0]).slice(0, 1).map(({ share }) => `${share} %`), "Observed"];
  const seen = (day) => points.find((point) => point.day === day && point.clear && Number.isFinite(point.value));
  const groups = fans.map((fan) => ({
    name: nameOf(fan, fans),
    rows: fan.days.map(({ day, values }) => ({ day, cells: [median(values).toFixed(2), ...widest(fan, values), seen(day)?.value.toFixed(2) ?? "–"] })),
  }));
  return { heads, groups };
}
