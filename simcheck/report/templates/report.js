"use strict";
(() => {
  const table = document.getElementById("all");
  const form = document.getElementById("filter");
  if (!table || !form) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const text = rows.map((r) => (r.cells[0].textContent + " " + r.cells[3].textContent).toLowerCase());
  const find = document.getElementById("find");
  const boxes = Array.from(form.querySelectorAll("input[type=checkbox]"));
  const shown = document.getElementById("shown");

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter((b) => b.checked).map((b) => b.value));
    let count = 0;
    rows.forEach((row, k) => {
      const keep = wanted.has(row.dataset.v) && words.every((w) => text[k].includes(w));
      row.hidden = !keep;
      count += keep;
    });
    shown.textContent = count === rows.length ? rows.length + " episodes" : count + " of " + rows.length + " episodes";
  }

  const compare = new Intl.Collator("en", { numeric: true }).compare;
  function sort(column, numeric, down) {
    const key = (row) => {
      const cell = row.cells[column];
      if (!numeric) return cell.textContent;
      return cell.dataset.s === "" ? NaN : Number(cell.dataset.s);
    };
    const keyed = rows.map((row) => [key(row), row]);
    const side = down ? -1 : 1;
    keyed.sort(([a], [b]) => {
      if (!numeric) return side * compare(a, b);
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return side * (a - b);
    });
    const all = document.createDocumentFragment();
    keyed.forEach(([, row]) => all.appendChild(row));
    body.appendChild(all);
  }

  Array.from(table.tHead.rows[0].cells).forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const down = cell.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(column, cell.dataset.k === "n", down);
    });
  });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.hidden = false;
  filter();
})();
