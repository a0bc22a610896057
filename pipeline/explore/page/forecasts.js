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

const range = (values, { low, high }) => `${values[low].toFixed(2)} to ${values[high].toFixed(2)}`;

/** What is forecast of a day, in words: one text a forecast. */
export function forecastWords(fans, day) {
  return fans.flatMap((fan) => fan.days.filter((entry) => entry.day === day).map(({ values }) => {
    const within = intervals(fan).map((interval) => `${range(values, interval)} in ${interval.share} %`);
    return `forecast of ${textOf(fan.issued)} (${fan.label}) ${median(values).toFixed(2)}${within.length ? `, ${within.join(", ")}` : ""}`;
  }));
}

/** The days of all forecasts as rows of text: [{day, cells}], and the heads of the columns. */
export function forecastTable(fans, points) {
  const widest = intervals(fans[0])[0];
  const issues = new Set(fans.map(({ issued }) => issued)).size > 1;
  const heads = ["Day", ...(issues ? ["Issued"] : []), "Weather", "Median", ...(widest ? [`${widest.share} %`] : []), "Observed"];
  const rows = fans.flatMap((fan) => fan.days.map(({ day, values }) => {
    const seen = points.find((point) => point.day === day && point.clear && Number.isFinite(point.value));
    const cells = [
      ...(issues ? [textOf(fan.issued)] : []), fan.label, median(values).toFixed(2),
      ...(widest ? [range(values, intervals(fan)[0])] : []), seen ? seen.value.toFixed(2) : "–",
    ];
    return { day, cells };
  }));
  return { heads, rows: rows.sort((a, b) => a.day - b.day) };
}
