"use strict";

const charts = JSON.parse(document.getElementById("charts").textContent);
const CONTROLS = {
  responsive: true,
  displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], // nothing that leaves the page
};
const narrow = () => window.innerWidth < 640;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Colours of the page and room for its width; Plotly knows neither of them. */
function dressed(layout) {
  const axis = { gridcolor: colour("--rule"), zerolinecolor: colour("--quiet"), linecolor: colour("--quiet"), automargin: true, exponentformat: "SI" };
  const wide = layout.legend && !narrow();
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), size: 13 },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
    legend: wide ? layout.legend : { orientation: "h", yref: "container", y: 0, yanchor: "bottom", font: { size: 11 } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--quiet"), activecolor: colour("--ink") },
    hoverlabel: { bgcolor: colour("--band"), bordercolor: colour("--quiet"), font: { color: colour("--ink") } },
    margin: { l: 50, r: 15, t: 35, b: 50, ...layout.margin },
  };
}

/** Hollow markers are of the paper's colour, whichever that is. */
function painted(traces) {
  return traces.map((trace) => {
    const marker = trace.marker && { ...trace.marker, line: { color: colour("--ink"), width: 1 } };
    return marker ? { ...trace, marker } : trace;
  });
}

function draw(place) {
  const chart = charts[place.id];
  const chosen = place.parentElement.querySelector(`input[name="${place.id}"]:checked`);
  const shown = chart.choices[chosen ? Number(chosen.value) : 0];
  Plotly.react(place, painted(shown.data), dressed(shown.layout), CONTROLS);
}

function drawAll() {
  document.querySelectorAll(".chart").forEach(draw);
}

function sort(button) {
  const heading = button.closest("th");
  const table = heading.closest("table");
  const column = [...heading.parentElement.children].indexOf(heading);
  const upward = heading.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", upward ? "ascending" : "descending");
  const key = (row) => {
    const cell = row.children[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  const order = (one, other) => {
    const [a, b] = [key(one), key(other)];
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // what has no number comes last
    const difference = typeof a === "number" ? a - b : a.localeCompare(b);
    return upward ? difference : -difference;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(order));
}

document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
document.querySelectorAll(".choice input").forEach((input) => {
  input.addEventListener("change", () => draw(document.getElementById(input.name)));
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
window.matchMedia("(max-width: 639px)").addEventListener("change", drawAll);
drawAll();
