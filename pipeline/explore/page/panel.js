// What stands beside the map: legends, the pixel, and links to files.

import { drawCurve, words } from "./curve.js";
import { forecastsAt, forecastTable, intervals } from "./forecasts.js";
import { textOf } from "./grid.js";

const $ = (id) => document.getElementById(id);
const node = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const SPACE = "http://www.w3.org/2000/svg";

/** A square of a colour, or of that of a class. As a picture, since the page's policy allows no style in elements. */
function swatch(colour, ofClass) {
  const picture = document.createElementNS(SPACE, "svg");
  picture.setAttribute("viewBox", "0 0 1 1");
  picture.setAttribute("class", "swatch");
  picture.setAttribute("aria-hidden", "true");
  const square = document.createElementNS(SPACE, "rect");
  for (const [key, value] of Object.entries({ width: 1, height: 1, ...(ofClass ? { class: ofClass } : { fill: colour }) })) square.setAttribute(key, value);
  picture.append(square);
  return picture;
}

function bar({ ramp, from, to }) {
  const picture = document.createElementNS(SPACE, "svg");
  picture.setAttribute("viewBox", "0 0 100 10");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const gradient = document.createElementNS(SPACE, "linearGradient");
  gradient.id = `ramp-${ramp[0].slice(1)}`;
  ramp.forEach((colour, index) => {
    const stop = document.createElementNS(SPACE, "stop");
    stop.setAttribute("offset", index / (ramp.length - 1));
    stop.setAttribute("stop-color", colour);
    gradient.append(stop);
  });
  const box = document.createElementNS(SPACE, "rect");
  for (const [key, value] of Object.entries({ width: 100, height: 10, fill: `url(#${gradient.id})` })) box.setAttribute(key, value);
  picture.append(gradient, box);
  return node("li", {}, `${from} `, picture, ` ${to}`);
}

/** The legend of a layer; nothing where it has none. */
export function legend(place, layer) {
  place.replaceChildren();
  if (!layer?.legend) return;
  const { items = [], ramp, note } = layer.legend;
  const entries = ramp ? [bar(layer.legend)] : items.map(([name, colour]) => node("li", {}, swatch(colour), name));
  if (entries.length) place.append(node("ul", { className: "legend" }, ...entries));
  if (note) place.append(node("p", { textContent: note }));
}

export function fileList(list, page) {
  const link = (text, href) => node("li", {}, node("a", { href, textContent: text }));
  const of = (name) => `${page.cube.replace(/\/$/, "")}/${name}`;
  list.append(node("li", { textContent: `Cube: ${page.place}` }), link("zarr.json of the cube", of("zarr.json")), link("manifest.json of the cube", of("manifest.json")));
  for (const run of page.runs) for (const { name, href } of run.files) list.append(link(page.runs.length > 1 ? `${run.title}/${name}` : name, href));
}

let reading = 0;

/** What the runs have and the page does not show, a line each. */
export function noteList(list, page) {
  list.append(...page.runs.flatMap(({ title, notes }) => notes.map((note) => node("li", { textContent: `${title}/${note}` }))));
  list.hidden = !list.children.length;
}

/** Fill the section of the pixel, with the curve of a variable. Only the last of several calls writes. */
export async function showPixel(pixel, season, day, variable, choose) {
  const turn = ++reading;
  const current = () => turn === reading;
  const [lon, lat] = pixel.lonLat;
  const side = (value, letters) => `${Math.abs(value).toFixed(5)}° ${letters[Number(value < 0)]}`;
  $("where").textContent = `${side(lat, "NS")}, ${side(lon, "EW")} · row ${pixel.row}, column ${pixel.column}`;
  if (!pixel.covered) {
    $("explain").textContent = "The recipe does not cover this place.";
    for (const id of ["maps", "dates"]) $(id).replaceChildren();
    for (const id of ["curve-figure", "clear-dates", "forecasts"]) $(id).hidden = true;
    return;
  }
  const explained = pixel.explain(day).then((text) => current() && ($("explain").textContent = text));
  const data = { season, title: variable === "ndvi" ? "NDVI" : variable, points: [], weather: {}, fans: [], whole: $("whole").checked };
  const draw = () => {
    if (!current()) return;
    $("curve-figure").hidden = false;
    drawCurve($("curve"), data, day, choose, (text) => ($("read").textContent = text));
    $("curve").setAttribute("aria-label", `${data.title} and weather of the pixel over the season${data.fans.length ? ", with forecasts; their numbers follow as a table" : ""}`);
    $("read").textContent = words(data, day);
    showDates(data.points.filter(({ clear }) => clear), day, choose);
    showForecasts(data, day, choose);
  };
  let due;
  const take = (points) => (data.points = points.map((point) => ({ ...point, value: point.bands?.[variable] ?? NaN })));
  const part = (points) => {
    take(points);
    due ??= setTimeout(() => { due = undefined; draw(); }, 120);
  };
  await Promise.all([
    explained,
    pixel.maps(season).then((said) => current() && $("maps").replaceChildren(...said.flatMap(({ title, text, color }) => [
      node("dt", { textContent: title }), node("dd", {}, ...(color ? [swatch(color)] : []), text)]))),
    forecastsAt(pixel, variable, season).then((fans) => (data.fans = fans)),
    pixel.series(season, part).then(take),
    pixel.weather(season).then((weather) => (data.weather = weather)),
  ]);
  draw();
  if (current()) document.body.dataset.pixel = `${pixel.row},${pixel.column},${textOf(day)}`;
}

/** A button that chooses a day; marked where it is the day of the map. */
function dayButton(day, chosen, choose) {
  const button = node("button", { type: "button", textContent: textOf(day), onclick: () => choose(day) });
  if (day === chosen) button.setAttribute("aria-current", "date");
  return button;
}

function showDates(clear, day, choose) {
  $("clear-dates").hidden = !clear.length;
  $("clear-dates").querySelector("summary").textContent = `Clear dates (${clear.length})`;
  $("dates").replaceChildren(...clear.map((point) => dayButton(point.day, day, choose)));
}

/** The legend of the fans, and their numbers. */
function showForecasts({ fans, points }, day, choose) {
  const labels = new Map(fans.map(({ label, colour }) => [label, colour]));
  const shares = fans.length ? intervals(fans[0]).map(({ share }) => share).reverse() : [];
  $("fans").replaceChildren(...[...labels].map(([label, colour]) => node("li", {}, swatch("", `fan-${colour}`), label)));
  for (const id of ["fans", "forecasts", "whole-label"]) $(id).hidden = !fans.length;
  if (!fans.length) return;
  $("fans").append(node("li", { textContent: shares.length ? `lines: medians; bands: ${shares.join(" and ")} %` : "lines: medians" }));
  const { heads, groups } = forecastTable(fans, points);
  $("forecasts").querySelector("summary").textContent = `Forecasts (${fans.length})`;
  const row = ({ day: of, cells }) => node("tr", {}, node("td", {}, dayButton(of, day, choose)), ...cells.map((text) => node("td", { textContent: text })));
  const body = groups.map(({ name, rows }) => {
    const title = node("tr", {}, node("th", { scope: "rowgroup", colSpan: heads.length, textContent: name }));
    return node("tbody", {}, title, ...rows.map(row));
  });
  const head = node("tr", {}, ...heads.map((text) => node("th", { scope: "col", textContent: text })));
  $("forecast-table").replaceChildren(node("thead", {}, head), ...body);
}
