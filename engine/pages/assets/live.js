/* The microscope live: tells the server what is in view, and shows pictures as they are made. */
(function () {
  "use strict";
  var page = window.onnxscope, make = page.make, empty = page.empty, index = page.index, layer = page.layer;
  var scope = page.microscope, dialog = document.getElementById("unit");
  var stream = null, client = null, sent = "", asking = false, known = {}, typed = {}, visible = [];

  function all(selector, inside) { return Array.prototype.slice.call((inside || document).querySelectorAll(selector)); }
  function id(place) { return place.join("/"); }
  function button(text, act) {
    var made = make("button", { type: "button", text: text });
    made.addEventListener("click", act);
    return made;
  }

  /* The server -------------------------------------------------------------------------------- */

  var status = make("p", { "class": "live-status", role: "status" });
  var trouble = make("p", { "class": "live-error", role: "alert" });
  function say(words) { if (status.textContent !== words) status.textContent = words; }

  function listen() {
    var source = stream = new EventSource("/live/events");
    source.addEventListener("hello", function (event) {
      var told = JSON.parse(event.data);
      client = told.client;
      sent = "";
      say("");
      trouble.textContent = told.trouble;
      form.size.placeholder = told.size;
      form.steps.placeholder = told.steps;
      form.seed.placeholder = told.seed;
      restore();
      report();
    });
    source.addEventListener("picture", function (event) { arrived(JSON.parse(event.data)); });
    source.addEventListener("closed", function () {
      client = null;
      source.close();
      ended = true;
      say("The server has ended. What was made is kept.");
    });
    source.onerror = function () {
      client = null;
      say("The server does not answer. It is asked again.");
    };
  }
  /* A browser has six connections to a server for all its tabs together: one that nobody looks at, and
     that waits for nothing, gives its own back. */
  var ended = false;
  function rest() {
    stream.close();
    stream = client = null;
    say("");
  }
  function ask(path, body) {
    return fetch(path, { method: "POST", body: body }).then(function (answer) {
      return answer.json().catch(function () { return { error: "The server answers " + answer.status + "." }; });
    }, function () { return { error: "The server does not answer." }; });
  }

  /* What is in view --------------------------------------------------------------------------- */

  /* The ways to look at units: what an ascent counted is shown of the channel's picture; the rest is
     not made here. */
  function lookedAt() {
    var name = scope.kind(), made = name === "importance" ? "channel" : name;
    return layer.kinds.some(function (kind) { return kind.name === made; }) ? made : null;
  }
  function isDone(place) { return known[id(place)] && known[id(place)].state === "done"; }

  var soon = null;
  function report() {
    if (soon === null) soon = setTimeout(send, 60);
  }
  function send() {
    soon = null;
    if (client === null || asking) return;
    var seen = document.hidden ? [] : visible.map(function (element) { return { place: element.place(), at: element.getBoundingClientRect() }; })
      .filter(function (one) { return one.place && !isDone(one.place) && one.at.width; })
      // Line by line, as people look.
      .sort(function (a, b) { return a.at.top - b.at.top || a.at.left - b.at.left; })
      .map(function (one) { return one.place; });
    var unit = scope && dialog.open ? scope.opened() : null;
    var open = unit === null ? [] : layer.kinds.map(function (kind) { return [layer.slug, unit, kind.name]; })
      .filter(function (place) { return !isDone(place); });
    var waiting = Object.keys(typed).filter(function (key) { return typed[key].state !== "done" && typed[key].state !== "failed"; });
    var body = JSON.stringify({ client: client, seen: seen.slice(0, 300), open: open, typed: waiting });
    if (document.hidden && !open.length && !waiting.length) { rest(); return; }
    if (body === sent) return;
    // One question at a time: of two on their way an older one might come last.
    var who = client;
    sent = body;
    asking = true;
    ask("/live/view", body).then(function (answer) {
      asking = false;
      if (answer.error && who === client) { sent = ""; say(answer.error); }
      else report();
    });
  }
  var watch = new IntersectionObserver(function (seen) {
    seen.forEach(function (one) {
      var at = visible.indexOf(one.target);
      if (one.isIntersecting && at < 0) visible.push(one.target);
      if (!one.isIntersecting && at >= 0) visible.splice(at, 1);
    });
    report();
  });
  /* `place` says which picture an element shows now. */
  function live(element, place) {
    element.place = place;
    watch.observe(element);
    return element;
  }
  document.addEventListener("visibilitychange", function () {
    if (!document.hidden && stream === null && !ended) listen();
    report();
  });

  /* News -------------------------------------------------------------------------------------- */

  function source(news, counted) {
    if (news.state !== "done") return news.source;
    return counted && news.told.importance ? "/" + news.told.importance : "/live/thumbnail/" + news.key + ".webp";
  }
  function paint(element, news) {
    var counted = Boolean(scope) && scope.kind() === "importance" && element.parentNode.classList.contains("unit");
    element.classList.toggle("live-running", news.state === "running");
    element.classList.toggle("live-failed", news.state === "failed");
    element.title = news.error || "";
    element.style.setProperty("--done", news.steps ? news.step / news.steps : 0);
    var from = source(news, counted);
    if (!from) return false;
    element.style.backgroundImage = "url('" + from + "')";
    element.style.backgroundSize = "cover";
    element.style.backgroundPosition = "center";
    return true;
  }
  function tile(element) { return element.tagName === "I" ? element : element.querySelector("i") || element; }

  function arrived(news) {
    if (news.layer !== undefined) {
      var place = [news.layer, news.unit, news.kind], before = known[id(place)];
      if (!news.source && before && before.source) news.source = before.source;
      known[id(place)] = news;
      all("[data-live]").concat(visible).forEach(function (element) {
        var shown = element.place && element.place();
        if (shown && id(shown) === id(place)) paint(tile(element), news);
      });
      if (scope && news.layer === layer.slug) {
        if (news.state === "done" && news.kind === "channel" && news.told.looks.length) layer.values[news.unit] = news.told.looks[0].mean;
        if (dialog.open && scope.opened() === news.unit) large(news);
      }
    }
    if (typed[news.key]) { typed[news.key] = news; card(news); }
    if (document.hidden) report();
    if (news.state === "running") say(news.title + (news.step ? ", step " + news.step + " of " + news.steps : ""));
    else say(news.state === "failed" ? news.title + ": " + news.error : "");
  }

  /* A picture on its way: as far as it is, with its curve. */
  function curve(points) {
    var values = points.map(function (point) { return point[1]; });
    var low = Math.min.apply(null, values), high = Math.max.apply(null, values), last = points[points.length - 1][0];
    var path = points.map(function (point, at) {
      var x = last > 1 ? (100 * (point[0] - 1)) / (last - 1) : 0;
      return (at ? "L" : "M") + x.toFixed(1) + " " + (28 - (26 * (point[1] - low)) / (high - low || 1)).toFixed(1);
    }).join("");
    return make("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": "the value is " + page.number(values[values.length - 1]) }, [make("path", { d: path })]);
  }
  function rising(stage, news, below) {
    var image = stage.querySelector("img");
    stage.classList.remove("missing");
    if (news.source || news.state === "done") {
      if (!image) {
        empty(stage);
        image = stage.appendChild(make("img", { alt: news.title }));
      }
      image.src = news.state === "done" ? "/" + news.told.source : news.source;
    } else if (!image) {
      stage.textContent = news.state === "failed" ? "" : "begins";
      stage.classList.add("missing");
    }
    stage.classList.toggle("live-running", news.state === "running");
    stage.style.setProperty("--done", news.steps ? news.step / news.steps : 0);
    empty(below);
    var points = news.state === "done" ? news.told.curve : news.curve;
    if (news.state === "failed") below.appendChild(make("p", { "class": "live-error", text: news.error }));
    if (points && points.length) {
      below.appendChild(curve(points));
      var last = points[points.length - 1];
      below.appendChild(make("p", { "class": "live-said", text: (news.state === "done" ? last[0] + " steps" : "step " + news.step + " of " + news.steps) + ", value " + page.number(last[1]) }));
    }
  }

  /* A unit opened large. */
  function large(news) {
    var box = dialog.querySelector('.view[data-kind="' + news.kind + '"]');
    var told = scope.details[news.unit], name = layer.kinds.filter(function (kind) { return kind.name === news.kind; })[0];
    if (!box || !told || !name || (told.pictures[news.kind] && news.state !== "done")) return;
    if (news.state === "done") {
      if (told.pictures[news.kind]) return;
      told.pictures[news.kind] = news.told;
      // With the last one the rest of the sheet is drawn anew, unless somebody is at it.
      var last = layer.kinds.every(function (kind) { return told.pictures[kind.name]; });
      if (last && !dialog.querySelector(":focus:not(#unit-name)")) scope.redraw();
      else box.parentNode.replaceChild(scope.view(news.told, news.kind, news.unit, name.title), box);
      if (news.kind === "channel") near(news.unit);
      return;
    }
    var below = box.querySelector(".live-below") || box.appendChild(make("div", { "class": "live-below" }));
    rising(box.querySelector(".stage"), news, below);
  }

  /* What a channel's picture says of other units, and theirs of it, as soon as they are there: the pages
     that were written before do not know it. It is asked again whenever the unit is opened. */
  function near(unit) {
    var told = scope.details[unit];
    if (!told || !told.pictures.channel || told.near) return;
    told.near = true;
    fetch("/live/near/" + layer.slug + "/" + unit).then(function (answer) { return answer.json(); }).then(function (found) {
      told.near = false;
      if (found.error) return;
      var before = JSON.stringify([told.earlier, told.later, told.alike]), values = layer.values;
      told.earlier = found.earlier;
      told.later = found.later;
      Object.keys(found.others).forEach(function (name) { layer.others[name] = layer.others[name] || found.others[name]; });
      // By whom else it excites, measured by what these answer to their own pictures.
      function share(other) { return found.means[other] / values[other]; }
      told.alike = Object.keys(values).map(Number).filter(function (other) { return other !== unit && values[other] > 0 && found.means[other] > 0; })
        .sort(function (a, b) { return share(b) - share(a); }).slice(0, 6);
      if (JSON.stringify([told.earlier, told.later, told.alike]) !== before && dialog.open && scope.opened() === unit && !dialog.querySelector(":focus:not(#unit-name)")) scope.redraw();
    }, function () { told.near = false; });
  }

  page.live = {
    tile: function (element, place) {
      element.setAttribute("data-live", "");
      live(element, function () { return place; });
      if (known[id(place)]) paint(element, known[id(place)]);
    },
    thumbnail: function (element, unit, of) {
      var news = known[id([layer.slug, unit, of === "importance" ? "channel" : of])];
      if (news) return paint(element, news);
      element.classList.remove("live-running", "live-failed");
      return false;
    },
    drawn: function (unit) {
      var actions = dialog.querySelector("header .actions");
      if (actions) actions.insertBefore(button("make it otherwise", function () {
        dialog.close();
        make_otherwise(layer.name + ":" + unit);
      }), actions.lastChild);
      layer.kinds.forEach(function (kind) {
        var news = known[id([layer.slug, unit, kind.name])];
        if (news) large(news);
      });
      near(unit);
      report();
    },
  };

  /* Whatever people type ---------------------------------------------------------------------- */

  var form = make("form", { "class": "live-form", autocomplete: "off" });
  function field(label, name, attributes, kind) {
    var input = make(kind || "input", Object.assign({ name: name, spellcheck: "false" }, attributes));
    form.appendChild(make("label", { "class": "live-" + name }, [make("span", { text: label }), input]));
    return input;
  }
  field("Unit, class or sum of them", "target", { required: true, maxlength: 500, placeholder: example() });
  var kinds = field("Objective", "kind", {}, "select");
  [["channel", "channel"], ["neuron", "neuron"], ["negative", "negative"], ["diversity", "diversity"]].forEach(function (one) {
    kinds.appendChild(make("option", { value: one[0], text: one[1] }));
  });
  field("Size", "size", { inputmode: "numeric", pattern: "[0-9]*" });
  field("Steps", "steps", { inputmode: "numeric", pattern: "[0-9]*" });
  field("Seed", "seed", { inputmode: "numeric", pattern: "[0-9]*" });
  field("Transforms", "transforms", { maxlength: 500, placeholder: "lucid, none, or pad(8), jitter(8)" });
  form.appendChild(make("button", { type: "submit", text: "Make it" }));
  var complaint = form.appendChild(make("p", { "class": "live-error", role: "alert" }));
  var cards = make("div", { "class": "live-cards" });
  var tools = make("details", { "class": "live-tools" }, [make("summary", { text: "Make a picture of anything" }), form, cards]);

  function example() {
    var layers = index.layers, one = layers[Math.floor(layers.length / 2)], other = layers[Math.floor(layers.length / 3)];
    return one.name + ":" + one.units[0] + " + 0.5 * " + other.name + ":" + other.units[0];
  }
  function make_otherwise(target) {
    tools.open = true;
    form.target.value = target;
    tools.scrollIntoView({ block: "nearest" });
    form.size.focus();
  }
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var body = { target: form.target.value, kind: form.kind.value, transforms: form.transforms.value };
    ["size", "steps", "seed"].forEach(function (name) { if (form[name].value) body[name] = Number(form[name].value); });
    begin(body, true);
  });
  function begin(body, first) {
    complaint.textContent = "";
    return ask("/live/type", JSON.stringify(body)).then(function (answer) {
      if (answer.error) { complaint.textContent = answer.error; return; }
      if (!typed[answer.key] || typed[answer.key].state === "failed") typed[answer.key] = { key: answer.key, title: answer.title, state: "waiting" };
      typed[answer.key].asked = body;
      card(typed[answer.key], answer, body, first);
      keep();
      report();
    });
  }
  function card(news, answer, body, first) {
    var found = all(".live-card", cards).filter(function (one) { return one.dataset.key === news.key; })[0];
    if (!found) {
      found = make("article", { "class": "live-card", "data-key": news.key }, [
        make("h3", { text: news.title }), make("div", { "class": "stage missing", text: "waits" }), make("div", { "class": "live-below" }),
        make("p", { "class": "live-settings", text: answer ? settings(body) : "" }),
        make("code", { text: answer ? answer.command : "", tabindex: "0" }),
      ]);
      found.asked = body;
      found.appendChild(button("remove", function () {
        delete typed[news.key];
        found.remove();
        keep();
        report();
      }));
      cards.insertBefore(found, first ? cards.firstChild : null);
    }
    if (news.state !== "waiting") rising(found.querySelector(".stage"), news, found.querySelector(".live-below"));
  }
  function settings(body) {
    return ["size", "steps", "seed", "transforms"].filter(function (name) { return body[name]; }).map(function (name) { return name + " " + body[name]; }).join(", ");
  }
  /* From page to page. */
  function keep() {
    var asked = all(".live-card", cards).map(function (one) { return one.asked; });
    try { sessionStorage.setItem("onnxscope typed", JSON.stringify(asked)); } catch (error) { /* It is kept for this page alone. */ }
  }
  var restored = false;
  function restore() {
    var asked = [];
    if (restored) { asked = all(".live-card", cards).map(function (one) { return one.asked; }); }
    else try { asked = JSON.parse(sessionStorage.getItem("onnxscope typed") || "[]"); } catch (error) { asked = []; }
    restored = true;
    if (asked.length) tools.open = true;
    asked.slice(0, 12).forEach(function (body) { begin(body, false); });
  }

  /* A photograph, cell by cell ---------------------------------------------------------------- */

  var photo = null, cube = null, cell = null, chosen = null;
  var input = make("input", { type: "file", accept: "image/*", id: "live-file", "class": "unseen" });
  var panel = make("section", { "class": "live-photo", hidden: true, "aria-label": "A photograph, cell by cell" });
  var select = make("select", { "aria-label": "Layer" }, index.layers.map(function (one) { return make("option", { value: one.slug, text: one.name }); }));
  select.value = layer ? layer.slug : index.layers[Math.floor(index.layers.length / 2)].slug;
  select.addEventListener("change", look);
  input.addEventListener("change", function () { if (input.files.length) drop(input.files[0]); });

  function drop(file) {
    panel.hidden = false;
    note("reads the photograph");
    ask("/live/photo", file).then(function (answer) {
      if (answer.error) { note(answer.error); return; }
      photo = answer;
      try { sessionStorage.setItem("onnxscope photo", JSON.stringify(photo)); } catch (error) { /* It is kept for this page alone. */ }
      look();
    });
  }
  function note(words) {
    empty(panel).appendChild(make("p", { "class": "live-error", role: "alert", text: words }));
  }
  function look() {
    var wanted = select.value;
    panel.hidden = false;
    fetch("/live/photo/" + photo.photo + "/" + encodeURIComponent(wanted)).then(function (answer) { return answer.json(); }).then(function (told) {
      if (wanted !== select.value) return;
      if (told.error) {
        photo = null;
        try { sessionStorage.removeItem("onnxscope photo"); } catch (error) { /* There is none. */ }
        note(told.error);
        return;
      }
      cube = { slug: wanted, name: told.name, units: told.units, rows: told.rows, columns: told.columns, values: page.bytes(told.values), scales: page.floats(told.scales) };
      cell = chosen = null;
      drawPhoto();
    }, function () { note("The server does not answer."); });
  }
  function value(unit, at) { return cube.values[unit * cube.rows * cube.columns + at] * cube.scales[unit]; }

  var overlay, list, where;
  function drawPhoto() {
    empty(panel);
    overlay = make("canvas", { width: cube.columns, height: cube.rows, "aria-hidden": "true" });
    var cells = [];
    for (var at = 0; at < cube.rows * cube.columns; at++) {
      cells.push(make("button", { type: "button", "class": "live-cell", "aria-label": "row " + Math.floor(at / cube.columns) + ", column " + (at % cube.columns) }));
    }
    var grid = make("div", { "class": "live-cells", role: "group", "aria-label": "Cells of " + cube.name, style: "grid-template: repeat(" + cube.rows + ", 1fr) / repeat(" + cube.columns + ", 1fr)" }, cells);
    cells.forEach(function (element, at) { element.addEventListener("pointerenter", function () { pick(at); }); });
    page.roving(cells, cube.columns, pick);
    where = make("p", { "class": "live-said" });
    list = make("div", { "class": "live-strongest" });
    panel.appendChild(make("header", {}, [make("h2", { text: "A photograph, cell by cell" }), make("label", {}, [make("span", { text: "Layer " }), select]), button("close", function () {
      panel.hidden = true;
      photo = null;
      try { sessionStorage.removeItem("onnxscope photo"); } catch (error) { /* There is none. */ }
      report();
    })]));
    panel.appendChild(make("div", { "class": "live-both" }, [
      make("div", { "class": "stage live-seen", style: "--shape: " + photo.width / photo.height }, [make("img", { src: "/live/photo/" + photo.photo + ".webp", alt: "the photograph" }), overlay, grid]),
      make("div", {}, [where, list]),
    ]));
    panel.appendChild(make("p", { "class": "live-kept", text: "The server has it in memory until it ends or 32 others have come, and writes it nowhere." }));
    pick(Math.floor(cube.rows / 2) * cube.columns + Math.floor(cube.columns / 2));
  }
  function pick(at) {
    if (cell === at) return;
    cell = at;
    all(".live-cell.here", panel).forEach(function (one) { one.classList.remove("here"); });
    all(".live-cell", panel)[at].classList.add("here");
    var units = [];
    for (var unit = 0; unit < cube.units; unit++) units.push(unit);
    units.sort(function (a, b) { return value(b, at) - value(a, at); });
    units = units.slice(0, 12).filter(function (unit) { return value(unit, at) > 0; });
    where.textContent = cube.rows * cube.columns > 1 ? "Row " + Math.floor(at / cube.columns) + ", column " + (at % cube.columns) + ": its strongest units in " + cube.name : "The strongest units in " + cube.name;
    all("i[data-live]", list).forEach(function (one) { watch.unobserve(one); visible = visible.filter(function (other) { return other !== one; }); });
    empty(list);
    var first = index.layers.filter(function (one) { return one.slug === cube.slug; })[0];
    units.forEach(function (unit) {
      // What has no page here has no picture either.
      var place = [cube.slug, unit, "channel"], here = first.units.indexOf(unit) >= 0, picture = here ? make("i", { "data-live": true }) : null;
      if (here) live(picture, function () { return place; });
      if (here && known[id(place)]) paint(picture, known[id(place)]);
      var choice = make("button", { type: "button", "aria-pressed": chosen === unit ? "true" : "false", "aria-label": cube.name + ", unit " + unit + ", value " + page.number(value(unit, at)) }, [picture, make("span", { "class": "number", text: unit + " · " + page.number(value(unit, at)) })]);
      choice.addEventListener("click", function () {
        chosen = chosen === unit ? null : unit;
        all("button", list).forEach(function (one) { one.setAttribute("aria-pressed", "false"); });
        choice.setAttribute("aria-pressed", chosen === unit ? "true" : "false");
        map(unit);
      });
      choice.addEventListener("pointerenter", function () { map(unit); });
      choice.addEventListener("focus", function () { map(unit); });
      choice.addEventListener("pointerleave", function () { map(chosen); });
      list.appendChild(make("div", {}, [choice, here ? make("a", { href: cube.slug + ".html#" + cube.slug + "-" + unit, text: "open" }) : null]));
    });
    if (!units.length) list.appendChild(make("p", { text: "No unit responds here." }));
    if (chosen !== null) map(chosen);
    report();
  }
  /* Where a unit is active, over the photograph. */
  function map(unit) {
    var context = overlay.getContext("2d"), image = context.createImageData(cube.columns, cube.rows), count = cube.rows * cube.columns, most = 0;
    if (unit !== null) {
      for (var at = 0; at < count; at++) most = Math.max(most, value(unit, at));
      for (var to = 0; to < count; to++) {
        var share = most > 0 ? Math.max(value(unit, to), 0) / most : 0;
        // What it does not respond to is dark.
        image.data[4 * to + 3] = Math.round(200 * (1 - share));
      }
    }
    context.putImageData(image, 0, 0);
  }
  document.addEventListener("dragover", function (event) { event.preventDefault(); document.body.classList.add("live-dragged"); });
  document.addEventListener("dragleave", function (event) { if (!event.relatedTarget) document.body.classList.remove("live-dragged"); });
  document.addEventListener("drop", function (event) {
    event.preventDefault();
    document.body.classList.remove("live-dragged");
    if (event.dataTransfer.files.length) drop(event.dataTransfer.files[0]);
  });

  /* The page ---------------------------------------------------------------------------------- */

  var main = document.getElementById("main"), search = document.getElementById("search");
  var bar = make("div", { "class": "live-bar" }, [
    tools,
    make("label", { "for": "live-file", "class": "live-drop", text: "Look at a photograph, or drop one anywhere" }), input,
    status, trouble,
  ]);
  main.insertBefore(bar, search ? search.nextSibling : main.firstChild);
  main.insertBefore(panel, bar.nextSibling);
  all(".unit").forEach(function (figure) {
    live(figure, function () { 
      var kind = figure.hidden ? null : lookedAt();
      return kind ? [layer.slug, Number(figure.dataset.unit), kind] : null;
    });
  });
  var tabs = document.getElementById("kinds");
  if (tabs) ["click", "keydown"].forEach(function (what) { tabs.addEventListener(what, function () { setTimeout(report, 0); }); });
  if (dialog) dialog.addEventListener("close", report);
  /* How far the pages were when they were written is not how far it is. */
  var lead = document.querySelector(".lead");
  lead.textContent = lead.textContent.replace(/(, of whose [\d,]+ pictures [\d,]+ are made\.|\. [\d,]+ of [\d,]+ pictures are made\.)/, ". Pictures are made of what is looked at.");
  all(".named small").forEach(function (small) { small.textContent = small.textContent.replace(/ · \d+ %$/, ""); });
  /* On the first page each layer has some units, evenly from all over it, made or not. */
  if (!layer) all(".storey").forEach(function (storey, number) {
    var one = index.layers[number], samples = empty(storey.querySelector(".samples")), count = Math.min(12, one.units.length);
    for (var at = 0; at < count; at++) (function (unit) {
      var place = [one.slug, unit, "channel"];
      samples.appendChild(live(make("a", { "class": "sample", "data-live": true, href: one.slug + ".html#" + one.slug + "-" + unit, "aria-label": one.name + ", unit " + unit }), function () { return place; }));
    })(one.units[count > 1 ? Math.round((at * (one.units.length - 1)) / (count - 1)) : 0]);
  });
  try { photo = JSON.parse(sessionStorage.getItem("onnxscope photo") || "null"); } catch (error) { photo = null; }
  if (photo) look();
  if (scope && dialog.open && scope.opened() !== null) page.live.drawn(scope.opened());
  listen();
})();
