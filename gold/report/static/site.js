// Tables that sort, filter and download, and how long ago something was. Values of cells are text: nothing
// here makes an element out of what stands in one.
"use strict";

const report = {};

const FEW = 12; // A table this small needs no filter.

report.element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const valueOf = (cell) => cell.dataset.value ?? cell.textContent;

const compare = (one, other) => {
  const [left, right] = [Number(one), Number(other)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  return one.localeCompare(other, "en", { numeric: true });
};

const sort = (table, place) => {
  const heads = [...table.tHead.rows[0].cells];
  const descending = heads[place].getAttribute("aria-sort") !== "descending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", descending ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[place]), row]);
  rows.sort(([one], [other]) => {
    if ((one === "") !== (other === "")) return one === "" ? 1 : -1; // What is not known comes last.
    return descending ? compare(other, one) : compare(one, other);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
};

// A spreadsheet runs a cell that begins like a formula; an apostrophe before it makes it text.
report.csvCell = (text) => {
  const isNumber = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text);
  const safe = !isNumber && /^[\s\u0000-\u001f]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n\t;']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

const csvOf = (table) => {
  const kept = [...table.tHead.rows[0].cells].map((cell) => !("plain" in cell.dataset));
  const rows = [table.tHead.rows[0], ...table.tBodies[0].rows].filter((row) => !row.hidden);
  const lines = rows.map((row) =>
    [...row.cells].filter((_, place) => kept[place]).map((cell) => report.csvCell(valueOf(cell))).join(","),
  );
  return `${lines.join("\r\n")}\r\n`;
};

const download = (table, name) => {
  const address = URL.createObjectURL(new Blob(["\ufeff", csvOf(table)], { type: "text/csv" }));
  report.element("a", { href: address, download: `${name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};

report.enhance = (listing) => {
  const table = listing.querySelector("table");
  if (!table) return;
  for (const [place, head] of [...table.tHead.rows[0].cells].entries()) {
    if ("plain" in head.dataset) continue;
    const button = report.element("button", { type: "button", textContent: head.textContent });
    button.addEventListener("click", () => sort(table, place));
    head.replaceChildren(button);
  }
  const rows = [...table.tBodies[0].rows];
  const tools = report.element("div", { className: "tools" });
  if (rows.length > FEW) {
    const shown = report.element("span", { className: "shown" });
    shown.setAttribute("role", "status");
    const box = report.element("input", { type: "search", placeholder: "Filter rows" });
    box.setAttribute("aria-label", `Filter rows: ${table.caption.textContent}`);
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      const count = rows.filter((row) => !row.hidden).length;
      shown.textContent = wanted ? `${count} of ${rows.length} rows` : "";
    });
    tools.append(box, shown);
  }
  const button = report.element("button", { type: "button", textContent: "Download CSV" });
  button.addEventListener("click", () => download(table, listing.dataset.name));
  tools.append(button);
  table.closest(".scroll").before(tools);
};

const ago = (moment) => {
  const hours = (Date.now() - moment) / 3600000;
  if (hours < 1) return "(within the last hour)";
  return hours < 48 ? `(${Math.floor(hours)} h ago)` : `(${Math.floor(hours / 24)} days ago)`;
};

// A page that was left open, or a report nobody renewed, must not look like news.
for (const old of document.querySelectorAll("[data-built]")) {
  const hours = (Date.now() - Date.parse(old.dataset.built)) / 3600000;
  old.hidden = hours < 24;
  const days = Math.floor(hours / 24);
  old.textContent = `This report was written ${days} day${days === 1 ? "" : "s"} ago: it says what was so then.`;
}
for (const listing of document.querySelectorAll(".listing")) report.enhance(listing);
for (const time of document.querySelectorAll("time[data-ago]")) time.textContent = ago(Date.parse(time.dateTime));
