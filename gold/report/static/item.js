// One placement's or page's own view: loads its data, draws its series, fills its table.
"use strict";

const specs = JSON.parse(document.getElementById("specs").textContent);
const view = document.getElementById("item");
const all = document.getElementById("all");
const problem = document.getElementById("problem");
const by = document.getElementById("by");
const period = document.getElementById("period");
const subject = view.dataset.subject;
const DAY = 86400;
const COLUMNS = ["views", "clicks", "ctr", "distinct_users"];

let wanted = "";
let held = null;

const iso = (seconds) => new Date(seconds * 1000).toISOString();

const rowsOf = (buckets) => {
  const last = buckets.at.at(-1) ?? 0;
  const from = last - Number(period.value) * DAY;
  const rows = buckets.at.map((at, place) => ({
    at,
    views: buckets.views[place],
    clicks: buckets.clicks[place],
    ctr: buckets.views[place] ? (100 * buckets.clicks[place]) / buckets.views[place] : null,
    distinct_users: buckets.distinct_users[place],
  }));
  return rows.filter((row) => row.at > from);
};

// A bucket nobody came in has no row: it counts zero, and its rate is not known.
const filled = (rows, step) => {
  const known = new Map(rows.map((row) => [row.at, row]));
  const whole = [];
  for (let at = rows[0]?.at; at <= rows.at(-1)?.at; at += step) {
    whole.push(known.get(at) ?? { at, views: 0, clicks: 0, ctr: null, distinct_users: 0 });
  }
  return whole;
};

const draw = async (rows, unit) => {
  for (const place of document.querySelectorAll(".drawn")) {
    const measure = place.dataset.measure;
    const known = rows.filter((row) => row[measure] !== null);
    const drawn = known.length <= Number(view.dataset.few) ? "bars" : "line";
    const spec = structuredClone(specs[unit][drawn][measure]);
    spec.data.values = known.map((row) => ({ [unit]: iso(row.at), [measure]: row[measure] }));
    await vegaEmbed(place, spec, {
      actions: false,
      ast: true, // no code is made from text: the pages forbid it
      defaultStyle: false,
      renderer: "svg",
      tooltip: { disableDefaultStyle: true, theme: "custom" },
    });
    const drawing = place.querySelector("svg");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", `${place.dataset.title} by UTC ${unit}; the table below has the values`);
  }
};

const cell = (value, shown) => {
  const made = report.element("td", { textContent: shown });
  if (value !== shown) made.dataset.value = value;
  return made;
};

const fill = (rows, unit) => {
  const titles = [unit === "day" ? "Day (UTC)" : "Hour from (UTC)", "Views", "Clicks", "Clicks per 100 views", "Distinct users"];
  const heads = titles.map((title) => {
    const head = report.element("th", { textContent: title });
    head.setAttribute("scope", "col");
    if (title === titles[0]) head.className = "words";
    return head;
  });
  const body = report.element("tbody");
  for (const row of rows.toReversed()) {
    const text = iso(row.at);
    const when = unit === "day" ? text.slice(0, 10) : `${text.slice(0, 10)} ${text.slice(11, 16)}`;
    const counts = COLUMNS.map((name) => {
      if (row[name] === null) return cell("", "–");
      return name === "ctr" ? cell(String(row[name]), `${row[name].toFixed(2)} %`) : cell(String(row[name]), row[name].toLocaleString("en"));
    });
    body.append(report.element("tr", {}, Object.assign(cell(unit === "day" ? when : text, when), { className: unit === "day" ? "day" : "moment" }), ...counts));
  }
  const caption = report.element("caption", { textContent: `By UTC ${unit}` });
  const table = report.element("table", {}, caption, report.element("thead", {}, report.element("tr", {}, ...heads)), body);
  const scroll = report.element("div", { className: "scroll long", tabIndex: 0 }, table);
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", caption.textContent);
  const listing = document.getElementById("buckets");
  listing.replaceChildren(scroll);
  report.enhance(listing);
};

const show = async () => {
  if (!held) return;
  const unit = by.value;
  const rows = filled(rowsOf(held[unit]), unit === "day" ? DAY : 3600);
  view.querySelector("h2 bdi").textContent = held.id;
  view.hidden = false;
  fill(rows, unit);
  // A day that is still filling would look like a fall.
  await draw(unit === "day" ? rows.filter((row) => iso(row.at).slice(0, 10) <= view.dataset.whole) : rows, unit);
  view.dataset.drawn = `${wanted}/${unit}/${period.value}`;
};

report.take = (data) => {
  held = data;
};

const follow = () => {
  wanted = /^#[0-9a-f]{20}$/.test(location.hash) ? location.hash.slice(1) : "";
  const asked = wanted;
  problem.hidden = true;
  if (!asked) {
    view.hidden = true;
    return;
  }
  const script = report.element("script", { src: `data/${subject}-${asked}.js` });
  script.addEventListener("load", async () => {
    script.remove();
    if (asked !== wanted) return;
    await show();
    view.querySelector("h2").focus();
    view.scrollIntoView();
  });
  script.addEventListener("error", () => {
    script.remove();
    view.hidden = true;
    problem.textContent = `That ${subject} is no longer among those shown. All that are follow here.`;
    problem.hidden = false;
  });
  document.head.append(script);
};

window.addEventListener("hashchange", follow);
by.addEventListener("change", show);
period.addEventListener("change", show);
follow();
