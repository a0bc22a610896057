// The curve of a pixel over a season as SVG: NDVI with clear days and forecasts, rain and temperature, degree days.

import { textOf } from "./grid.js";

const SPACE = "http://www.w3.org/2000/svg";
const MARGIN = { left: 34, right: 10, top: 18, gap: 24 };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function element(parent, name, attributes, text) {
  const node = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}

/** Draw into an `svg`. `data` is {season, points, weather, forecasts}, `day` the day of the map; `choose(day)` follows a
 *  click, `read(text)` the pointer. */
export function drawCurve(svg, data, day, choose, read) {
  svg.replaceChildren();
  const width = Math.max(260, svg.parentElement.clientWidth);
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
  drawNdvi(svg, panel(120, 0, 1, "NDVI"), data, toX);
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
  svg.onclick = (event) => choose(nearest(data.points, dayAt(event)));
  svg.onpointermove = (event) => read(words(data, dayAt(event)));
}

const path = (series, toX, toY) => series.map(({ day, value }, index) => `${index ? "L" : "M"}${toX(day).toFixed(1)},${toY(value).toFixed(1)}`).join("");

function drawNdvi(svg, frame, { points, forecasts }, toX) {
  const clear = points.filter((point) => point.clear && Number.isFinite(point.ndvi));
  const clamp = (value) => Math.min(1.05, Math.max(-0.1, value));
  const toY = (value) => frame.toY(clamp(value));
  element(svg, "path", { d: path(clear.map(({ day, ndvi }) => ({ day, value: ndvi })), toX, toY), class: "ndvi" });
  for (const { day, ndvi, clear: seen } of points) {
    if (!Number.isFinite(ndvi)) element(svg, "path", { d: `M${toX(day)},${frame.top + frame.height}v5`, class: "masked" });
    else element(svg, "circle", { cx: toX(day), cy: toY(ndvi), r: seen ? 3 : 2, class: seen ? "clear" : "cloudy" });
  }
  for (const { day, issued, ndvi } of forecasts) {
    const before = clear.filter((point) => point.day <= issued).at(-1);
    if (before) element(svg, "path", { d: `M${toX(before.day)},${toY(before.ndvi)}L${toX(day)},${toY(ndvi)}`, class: "forecast" });
    element(svg, "rect", { x: toX(day) - 4, y: toY(ndvi) - 4, width: 8, height: 8, class: "forecast", transform: `rotate(45 ${toX(day)} ${toY(ndvi)})` });
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
    element(svg, "text", { x: toX(day) + 3, y: bottom + 13, class: "tick" }, MONTHS[Number(text.slice(5, 7)) - 1]);
  }
}

/** The day of the image nearest to a day; the day itself where there is none within five. */
function nearest(points, day) {
  const best = points.reduce((least, point) => (Math.abs(point.day - day) < Math.abs(least - day) ? point.day : least), Infinity);
  return Math.abs(best - day) <= 5 ? best : day;
}

/** What is known of a day, in words. */
export function words({ points, weather, forecasts }, day) {
  const parts = [textOf(day)];
  const point = points.find((entry) => entry.day === day);
  if (point) parts.push(Number.isFinite(point.ndvi) ? `NDVI ${point.ndvi.toFixed(2)}${point.clear ? "" : " (not clear)"}` : "not clear");
  const forecast = forecasts.find((entry) => entry.day === day);
  if (forecast) parts.push(`forecast ${forecast.ndvi.toFixed(2)}`);
  const at = (name) => weather[name]?.find((entry) => entry.day === day)?.value;
  if (Number.isFinite(at("tmin"))) parts.push(`${at("tmin").toFixed(0)} to ${at("tmax").toFixed(0)} °C`);
  if (Number.isFinite(at("precipitation"))) parts.push(`rain ${at("precipitation").toFixed(1)} mm`);
  if (Number.isFinite(at("heat"))) parts.push(`${at("heat").toFixed(0)} °C d`);
  return parts.join(" · ");
}
