"use strict";
// Two comforts on a page that is complete without them: values under the pointer, and a slider over the snapshots.

const SVG = "http://www.w3.org/2000/svg";

function make(tag, properties, parent) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

function hover(figure) {
  const { end, unit, series } = JSON.parse(figure.dataset.chart);
  const plot = figure.querySelector(".plot");
  const cursor = document.createElementNS(SVG, "line");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y2", "100%");
  const tip = make("div", { className: "tip", hidden: true }, figure);
  const xs = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
  let at = -1;

  const nearest = (x) => xs.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(xs[best] - x) ? i : best), 0);

  function show(index) {
    if (!xs.length) return;
    at = Math.max(0, Math.min(xs.length - 1, index));
    const x = xs[at];
    cursor.setAttribute("x1", `${x}%`);
    cursor.setAttribute("x2", `${x}%`);
    plot.firstElementChild.append(cursor);
    tip.replaceChildren(document.createTextNode(`${+((end * x) / 100).toPrecision(4)} ${unit}`));
    for (const { name, points } of series) {
      const point = points.find((p) => p[0] === x);
      if (point) make("b", { textContent: point[1] }, make("div", { textContent: name }, tip));
    }
    tip.hidden = false;
    const left = plot.offsetLeft + (plot.offsetWidth * x) / 100;
    const before = left + tip.offsetWidth + 24 > figure.offsetWidth;
    tip.style.left = `${Math.max(4, before ? left - tip.offsetWidth - 12 : left + 12)}px`;
    tip.style.top = `${plot.offsetTop + 6}px`;
  }

  function hide() {
    tip.hidden = true;
    cursor.remove();
  }

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    show(nearest((100 * (event.clientX - box.left)) / box.width));
  });
  plot.addEventListener("pointerleave", hide);
  plot.tabIndex = 0;
  plot.addEventListener("focus", () => show(at < 0 ? xs.length - 1 : at));
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(at + step);
  });
}

function play(film) {
  const stage = document.querySelector(".stage");
  const strip = film.querySelector("ol");
  const frames = [...strip.children];
  const last = frames.length - 1;
  const controls = document.createElement("div");
  controls.className = "controls";
  film.prepend(controls);
  film.classList.add("playable");
  const button = make("button", { type: "button", textContent: "Play" }, controls);
  const slider = make("input", { type: "range", min: 0, max: last, value: last, ariaLabel: "Snapshot" }, controls);
  const latest = { src: stage.querySelector("img").src, alt: stage.querySelector("img").alt };
  stage.querySelector("figcaption").ariaLive = "polite";
  let timer = 0;

  function show(index) {
    const image = frames[index].querySelector("img");
    const large = stage.querySelector("img");
    large.src = image.alt === latest.alt ? latest.src : image.src; // the latest is kept at full size
    large.alt = image.alt;
    stage.querySelector("figcaption").textContent = image.alt;
    slider.value = index;
    slider.ariaValueText = image.alt;
    frames.forEach((f, i) => f.classList.toggle("on", i === index));
    const li = frames[index];
    strip.scrollLeft = li.offsetLeft - strip.offsetLeft - (strip.clientWidth - li.clientWidth) / 2;
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    button.textContent = "Play";
  }

  function next() {
    if (+slider.value === last) stop();
    else show(+slider.value + 1);
  }

  button.addEventListener("click", () => {
    if (timer) return stop();
    if (+slider.value === last) show(0);
    button.textContent = "Pause";
    timer = setInterval(next, 350);
  });
  slider.addEventListener("input", () => (stop(), show(+slider.value)));
  frames.forEach((frame, i) => frame.addEventListener("click", () => (stop(), show(i))));
  show(last);
}

document.querySelectorAll(".chart").forEach(hover);
document.querySelectorAll(".film").forEach(play);
