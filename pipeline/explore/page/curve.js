// The curve of a pixel over a season as SVG: NDVI or a band with clear days and forecasts, rain, temperature, degree days.

import { forecastWords, intervals, median } from "./forecasts.js";
import { textOf } from "./grid.js";

const SPACE = "http://www.w3.org/2000/svg";
const [BEFORE, AFTER] = [60, 21]; // days around forecasts that are drawn of a season
const MARGIN = { left: 34, right: 10, top: 18, gap: 24 };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function element(parent, name, attributes, text) {
  const node = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}

/** Draw into an `svg`. `data` is {season, title, points, weather, fans, whole}: points {day, clear, value} of the variable
 *  that the title names, fans as `forecastsAt` gives them; `day` is that of the map; `choose(day)` follows a click,
 *  `read(text)` the pointer. Where there are fans, only what is around them is drawn unless `whole` is set. */
export function drawCurve(svg, season, day, choose, read) {
  svg.replaceChildren();
  const width = Math.max(260, svg.parentElement.clientWidth);
  const data = aroundFans(season);
  const { first, last } = data.season;
  const toX = (at) => MARGIN.left + ((at - first) / Math.max(1, last - first)) * (width - MARGIN.left - MARGIN.right);
  let top = MARGIN.top;
  const panel = (height, low, high, title, unit) => {
    const frame = { top, height, toY: (value) => frame.top + height - ((value - low) / (high - low)) * height };
    element(svg, "text", { x: MARGIN.left, y: top - 6, class: "title" }, `${title}${unit ? `, ${unit}` : ""}`);
    for (const value of [low, high]) {
      element(svg, "line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: frame.toY(value), y2: frame.toY(value), class: "axis" });
      element(svg, "text", { x: MARGIN.left - 4, y: frame.toY(value) + 4, class: "tick", "text-anchor": "end" }, `${Math.round(value * 10) / 10}`);
    }
    top += height + MARGIN.gap;
    return frame;
  };
  drawValues(svg, panel(150, ...limits(data), data.title), data, toX);
  const { tmin, tmax, precipitation: rain, heat } = data.weather;
  const known = (series) => (series ?? []).filter(({ value }) => Number.isFinite(value));
  if (known(tmin).length && known(tmax).length) drawTemperature(svg, panel, known(tmin), known(tmax), toX);
  if (known(rain).length) {
    const most = Math.max(10, Math.ceil(Math.max(...known(rain).map(({ value }) => value)) / 10) * 10);
    const frame = panel(44, 0, most, "Rain", "mm a day");
    const bars = known(rain).filter(({ value }) => value > 0.2).map(({ day: at, value }) => `M${toX(at)},${frame.toY(0)}V${frame.toY(value)}`);
    element(svg, "path", { d: bars.join(""), class: "rain" });
  }
  if (known(heat).length) {
    const frame = panel(44, 0, Math.max(100, Math.ceil(known(heat).at(-1).value / 100) * 100), "Degree days above 10 °C", "°C d");
    element(svg, "path", { d: path(known(heat), toX, frame.toY), class: "heat" });
  }
  drawMonths(svg, first, last, toX, top - MARGIN.gap);
  const line = element(svg, "line", { x1: toX(day), x2: toX(day), y1: MARGIN.top, y2: top - MARGIN.gap, class: "day" });
  line.toggleAttribute("hidden", day < first || day > last);
  svg.setAttribute("viewBox", `0 0 ${width} ${top + 4}`);
  svg.setAttribute("height", top + 4);
  const dayAt = (event) => {
    const left = event.clientX - svg.getBoundingClientRect().left;
    const share = (left - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
    return Math.round(first + Math.min(1, Math.max(0, share)) * (last - first));
  };
  const perDay = (width - MARGIN.left - MARGIN.right) / Math.max(1, last - first);
  svg.onclick = (event) => choose(nearest(data, dayAt(event), 5));
  svg.onpointermove = (event) => read(words(data, nearest(data, dayAt(event), Math.ceil(2 / perDay))));
}

/** The part of the data that is drawn. */
function aroundFans(data) {
  const { season, points, weather, fans, whole } = data;
  if (whole || !fans.length) return data;
  const first = Math.max(season.first, Math.min(...fans.map(({ issued }) => issued)) - BEFORE);
  const last = Math.min(season.last, Math.max(...fans.map(({ days }) => days.at(-1).day)) + AFTER);
  const cut = (series) => series.filter(({ day }) => day >= first && day <= last);
  const parts = Object.fromEntries(Object.entries(weather).map(([name, series]) => [name, cut(series)]));
  return { ...data, season: { ...season, first, last }, points: cut(points), weather: parts };
}

const path = (series, toX, toY) => series.map(({ day, value }, index) => `${index ? "L" : "M"}${toX(day).toFixed(1)},${toY(value).toFixed(1)}`).join("");

/** The least and the most of the axis of values: 0 to 1 for NDVI, else what holds all of them. */
function limits({ title, points, fans }) {
  if (title === "NDVI") return [0, 1];
  const values = [...points.filter(({ clear }) => clear).map(({ value }) => value), ...fans.flatMap(({ days }) => days.flatMap((day) => day.values))];
  const known = values.filter(Number.isFinite);
  const [least, most] = [Math.min(0, ...known), Math.max(0.1, ...known)];
  const step = most - least > 2 ? 10 : 0.1;
  return [Math.floor(least / step) * step, Math.ceil(most / step) * step];
}

function drawValues(svg, frame, { season, points, fans }, toX) {
  const [above, below] = [frame.top - 6, frame.top + frame.height + 12];
  const toY = (value) => Math.min(below, Math.max(above, frame.toY(value)));
  const clear = points.filter((point) => point.clear && Number.isFinite(point.value));
  const joints = fans.map((fan) => jointOf(fan, clear));
  fans.forEach((fan, index) => drawBands(svg, fan, joints[index], toX, toY));
  element(svg, "path", { d: path(clear, toX, toY), class: "seen" });
  fans.forEach((fan, index) => drawMedians(svg, fan, joints[index], toX, toY));
  for (const { day, value, clear: seen } of points) {
    if (!Number.isFinite(value)) element(svg, "path", { d: `M${toX(day)},${frame.top + frame.height}v5`, class: "masked" });
    else element(svg, "circle", { cx: toX(day), cy: toY(value), r: seen ? 3 : 2, class: seen ? "clear" : "cloudy" });
  }
  for (const issued of new Set(fans.map((fan) => fan.issued).filter((day) => day >= season.first)))
    element(svg, "path", { d: `M${toX(issued)},${frame.top}V${frame.top + frame.height}`, class: "issued" });
}

/** Where a fan begins: the last clear image it could know, and the day of issue on the straight line from there to the
 *  first median; undefined without such an image. */
function jointOf({ issued, days: [first] }, clear) {
  const seen = clear.filter(({ day }) => day <= issued).at(-1);
  if (!seen) return undefined;
  const share = (issued - seen.day) / (first.day - seen.day);
  return { seen, day: issued, value: seen.value + share * (median(first.values) - seen.value) };
}

/** The intervals between the days of a fan, from the day of issue on, and as a bar on each day. */
function drawBands(svg, fan, joint, toX, toY) {
  const at = ({ day, values }, position) => `${toX(day).toFixed(1)},${toY(values[position]).toFixed(1)}`;
  for (const { low, high } of intervals(fan)) {
    const begin = joint ? [`${toX(joint.day).toFixed(1)},${toY(joint.value).toFixed(1)}`] : [];
    const edge = [...begin, ...fan.days.map((day) => at(day, high)), ...fan.days.map((day) => at(day, low)).reverse()];
    element(svg, "path", { d: `M${edge.join("L")}Z`, class: `interval fan-${fan.colour}` });
    const bars = fan.days.map((day) => `M${at(day, low)}L${at(day, high)}`);
    element(svg, "path", { d: bars.join(""), class: `bar fan-${fan.colour}` });
  }
}

function drawMedians(svg, fan, joint, toX, toY) {
  const medians = fan.days.map(({ day, values }) => ({ day, value: median(values) }));
  element(svg, "path", { d: path([...(joint ? [joint.seen] : []), ...medians], toX, toY), class: `median fan-${fan.colour}` });
  for (const { day, value } of medians) {
    const [x, y] = [toX(day), toY(value)];
    element(svg, "path", { d: `M${x - 4.5},${y}l4.5,-4.5l4.5,4.5l-4.5,4.5Z`, class: `forecast fan-${fan.colour}` });
  }
}

function drawTemperature(svg, panel, tmin, tmax, toX) {
  const low = Math.floor(Math.min(...tmin.map(({ value }) => value)) / 10) * 10;
  const high = Math.ceil(Math.max(...tmax.map(({ value }) => value)) / 10) * 10;
  const frame = panel(56, low, high, "Temperature, least to most", "°C");
  const back = [...tmin].reverse().map(({ day, value }) => `L${toX(day).toFixed(1)},${frame.toY(value).toFixed(1)}`).join("");
  element(svg, "path", { d: `${path(tmax, toX, frame.toY)}${back}Z`, class: "temperature" });
}

function drawMonths(svg, first, last, toX, bottom) {
  for (let day = first; day <= last; day++) {
    const text = textOf(day);
    if (!text.endsWith("-01")) continue;
    element(svg, "line", { x1: toX(day), x2: toX(day), y1: MARGIN.top, y2: bottom, class: "month" });
    if (day + 8 <= last) element(svg, "text", { x: toX(day) + 3, y: bottom + 13, class: "tick" }, MONTHS[Number(text.slice(5, 7)) - 1]);
  }
}

/** The day of the image or forecast nearest to a day; the day itself where there is none within so many days. */
function nearest({ points, fans }, day, within) {
  const days = [...points, ...fans.flatMap((fan) => fan.days)].map((entry) => entry.day);
  const best = days.reduce((least, other) => (Math.abs(other - day) < Math.abs(least - day) ? other : least), Infinity);
  return Math.abs(best - day) <= within ? best : day;
}

/** What is known of a day, in words. */
export function words({ title, points, weather, fans }, day) {
  const parts = [textOf(day)];
  const point = points.find((entry) => entry.day === day);
  if (point) parts.push(Number.isFinite(point.value) ? `${title} ${point.value.toFixed(2)}${point.clear ? "" : " (not clear)"}` : "not clear");
  parts.push(...forecastWords(fans, day));
  const at = (name) => weather[name]?.find((entry) => entry.day === day)?.value;
  if (Number.isFinite(at("tmin"))) parts.push(`${at("tmin").toFixed(0)} to ${at("tmax").toFixed(0)} °C`);
  if (Number.isFinite(at("precipitation"))) parts.push(`rain ${at("precipitation").toFixed(1)} mm`);
  if (Number.isFinite(at("heat"))) parts.push(`${at("heat").toFixed(0)} °C d`);
  return parts.join(" · ");
}
