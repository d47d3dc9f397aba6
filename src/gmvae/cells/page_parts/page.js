"use strict";
const byId = (id) => document.getElementById(id);

async function showPage() {
  const page = JSON.parse(byId("page-content").textContent);
  const GREY = "#e3e7ec";

  // What packed text holds, as a response that can be read as bytes or as text.
  function inflate(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
  }

  // A packed column as numbers; the largest code stands for no value.
  async function unpack(column) {
    const buffer = await inflate(column.text).arrayBuffer();
    const codes = column.bits === 8 ? new Uint8Array(buffer) : new Uint16Array(buffer);
    const missing = column.bits === 8 ? 255 : 65535, numbers = new Float32Array(codes.length);
    const start = column.start ?? 0, step = column.step ?? 1;
    for (let i = 0; i < codes.length; i++) numbers[i] = codes[i] === missing ? NaN : start + step * codes[i];
    return numbers;
  }

  for (const packed of page.bokeh) {
    const script = document.createElement("script");
    script.textContent = await inflate(packed).text();
    document.head.append(script);
  }
  await Bokeh.embed.embed_item(page.map);
  const plotDocument = Bokeh.documents[Bokeh.documents.length - 1];
  const model = (name) => plotDocument.get_model_by_name(name);
  const points = model("points"), colours = model("colours"), axes = [model("x"), model("y")];
  const whole = axes.map((axis) => [axis.start, axis.end]);
  const text = (field, number) => Number.isNaN(number) ? "none"
    : field.categories ? field.categories[number] : Number(number.toPrecision(3)).toString();

  const [x, y] = await Promise.all([unpack(page.x), unpack(page.y)]);
  const clusterField = page.fields.find((field) => field.key === "cluster");
  const cluster = Array.from(await unpack(clusterField), (number) => text(clusterField, number));
  let field = null, pressed = new Set(), asked = 0;

  // The colours of the field's values: where names are pressed, all other categories are grey.
  function paint() {
    if (field.categories) {
      const palette = field.colours.map((colour, i) => pressed.size && !pressed.has(i) ? GREY : colour);
      colours.setv({ palette, low: -0.5, high: palette.length - 0.5 });
    } else {
      colours.setv({ palette: page.palette, low: field.low, high: field.high });
    }
  }

  function legendButton(i) {
    const button = document.createElement("button"), dot = document.createElement("i");
    const name = document.createElement("span"), count = document.createElement("span");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    dot.style.background = field.colours[i];
    [name.className, name.textContent] = ["name", field.categories[i]];
    [count.className, count.textContent] = ["count", field.counts[i].toLocaleString("en")];
    button.append(dot, name, count);
    button.addEventListener("click", () => {
      if (!pressed.delete(i)) pressed.add(i);
      button.setAttribute("aria-pressed", String(pressed.has(i)));
      paint();
    });
    return button;
  }

  function drawLegend() {
    const legend = byId("legend");
    if (field.categories) {
      legend.replaceChildren(...field.categories.map((_, i) => legendButton(i)));
      return;
    }
    const ramp = document.createElement("span"), ends = document.createElement("span");
    ramp.className = "ramp";
    ends.className = "ends";
    for (const number of [field.low, field.high]) {
      const end = document.createElement("span");
      end.textContent = text({}, number);
      ends.append(end);
    }
    legend.replaceChildren(ramp, ends);
  }

  async function show(number) {
    const turn = ++asked, next = page.fields[number], code = await unpack(next);
    if (turn !== asked) return; // another choice was made meanwhile
    [field, pressed] = [next, new Set()];
    points.data = { x, y, code, cluster, value: Array.from(code, (one) => text(field, one)) };
    paint();
    drawLegend();
    const name = field.key.startsWith("gene:") ? `gene ${field.title}, log-normalised` : field.title;
    byId("status").textContent = `Coloured by ${name}.`;
    byId("map").setAttribute("aria-label",
      `UMAP of ${x.length.toLocaleString("en")} cells coloured by ${name}; the table of clusters has numbers`);
  }

  function zoom(factor) {
    for (const axis of axes) {
      const middle = (axis.start + axis.end) / 2, half = (axis.end - axis.start) / 2 * factor;
      axis.setv({ start: middle - half, end: middle + half });
    }
  }
  function move(horizontal, vertical) {
    [horizontal, vertical].forEach((share, i) => {
      const step = (axes[i].end - axes[i].start) * share;
      axes[i].setv({ start: axes[i].start + step, end: axes[i].end + step });
    });
  }
  const showAll = () => axes.forEach((axis, i) => axis.setv({ start: whole[i][0], end: whole[i][1] }));

  const KEYS = {
    "+": () => zoom(0.8), "=": () => zoom(0.8), "-": () => zoom(1.25), "0": showAll,
    ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0),
    ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
  };
  byId("frame").addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  byId("in").addEventListener("click", () => zoom(0.8));
  byId("out").addEventListener("click", () => zoom(1.25));
  byId("whole").addEventListener("click", showAll);
  byId("colour").addEventListener("change", (event) => show(Number(event.target.value)));

  await show(Number(byId("colour").value));
  if (page.markers) await Bokeh.embed.embed_item(page.markers);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.documentElement.dataset.ready = performance.now().toFixed(0); // milliseconds since the page was opened
  }));
}

showPage().catch((error) => {
  byId("status").textContent = `The map cannot be drawn: ${error.message}. Browsers since 2023 can draw it.`;
  throw error;
});
