"use strict";
document.documentElement.classList.add("js");

// Tables are sorted by their headers; cells without a value stay last in both directions.
const value = (row, column) => {
  const cell = row.cells[column], given = cell.dataset.value ?? cell.textContent.trim();
  return given === "" ? null : isNaN(given) ? given : Number(given);
};
const compare = (a, b) => typeof a === "number" && typeof b === "number"
  ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => a === null || b === null
        ? (a === null) - (b === null) : (descending ? -1 : 1) * compare(a, b));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details.printed")) details.open = true;
});

// Losses are written in nats; in bits they are divided by log 2.
const show = (bits) => {
  document.documentElement.classList.toggle("in-bits", bits);
  for (const element of document.querySelectorAll("[data-nats]")) {
    const number = Number(element.dataset.nats) / (bits ? Math.LN2 : 1);
    const sign = "signed" in element.dataset && number >= 0 ? "+" : "";
    element.textContent = sign + number.toFixed(4).replace("-", "−");
  }
};
for (const input of document.querySelectorAll("[name=unit]")) {
  input.addEventListener("change", () => show(input.value === "bits"));
  if (input.checked && input.value === "bits") show(true);
}
