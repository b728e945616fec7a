/* The pages of a microscope: sheets that come as they are needed, a unit opened large, search, order,
   and units laid side by side. */
(function () {
  "use strict";
  var page = window.onnxscope, make = page.make, empty = page.empty;
  var index = page.index, layer = page.layer;
  function by(id) { return document.getElementById(id); }

  /* Numbers come as runs that rise by one: the first, and how many. */
  function numbers(runs) {
    var found = [];
    runs.forEach(function (run) { for (var at = 0; at < run[1]; at++) found.push(run[0] + at); });
    return found;
  }
  index.layers.forEach(function (one) { one.units = numbers(one.units); });
  index.classes = [].concat.apply([], index.classes.map(function (one) {
    return numbers(one.units).map(function (unit, at) { return { name: one.names[at], slug: one.slug, unit: unit }; });
  }));

  /* Going to a unit --------------------------------------------------------------------------- */

  function find(text) {
    var parts = text.trim().split(":"), unit = parts.length > 1 ? parts.pop().trim() : null;
    var name = parts.join(":").trim().toLowerCase();
    if (unit === null && layer && /^\d+$/.test(name)) { unit = name; name = layer.name.toLowerCase(); }
    if (!name) return { said: "" };
    var found = index.layers.filter(function (one) { return one.name.toLowerCase() === name; });
    if (!found.length) found = index.layers.filter(function (one) { return one.name.toLowerCase().indexOf(name) >= 0; });
    if (!found.length) {
      var classes = index.classes.filter(function (one) { return one.name.toLowerCase().indexOf(text.trim().toLowerCase()) >= 0; });
      if (classes.length === 1 || classes.some(function (one) { return one.name.toLowerCase() === text.trim().toLowerCase(); }))
        return { href: classes[0].slug + ".html#" + classes[0].slug + "-" + classes[0].unit, said: classes[0].name };
      return { said: classes.length ? names(classes) : "There is no layer or class " + name + "." };
    }
    if (found.length > 1 && unit !== null) return { said: "Several layers: " + names(found) };
    if (unit === null || unit === "") return found.length > 1 ? { said: names(found) } : { href: found[0].slug + ".html", said: found[0].name + ", " + found[0].units.length.toLocaleString("en") + " units" };
    var number = /^\d+$/.test(unit) ? Number(unit) : -1;
    if (found[0].units.indexOf(number) < 0) return { said: found[0].name + " has no page of a unit " + unit + "." };
    return { href: found[0].slug + ".html#" + found[0].slug + "-" + number, said: found[0].name + ", unit " + number };
  }
  function names(found) {
    return found.slice(0, 4).map(function (one) { return one.name; }).join(", ") + (found.length > 4 ? ", …" : "");
  }
  by("sought").addEventListener("input", function () { by("sought-said").textContent = find(this.value).said; });
  by("search").addEventListener("submit", function (event) {
    event.preventDefault();
    var found = find(by("sought").value);
    by("sought-said").textContent = found.said;
    if (found.href) { by("sought").blur(); location.href = found.href; }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    by("sought").focus();
    by("sought").select();
  });

  /* Thumbnails come when they are seen, and once somebody scrolls, when they are near. */
  var moved = false, watching = [];
  function near(elements, come) {
    if (!("IntersectionObserver" in window)) { elements.forEach(come); return; }
    var left = new Set(elements), watch = null;
    function begin() {
      if (watch) watch.disconnect();
      watch = new IntersectionObserver(function (seen) {
        seen.forEach(function (one) {
          if (!one.isIntersecting) return;
          watch.unobserve(one.target);
          left.delete(one.target);
          come(one.target);
        });
      }, { rootMargin: moved ? "800px 0px" : "0px" });
      left.forEach(function (element) { watch.observe(element); });
    }
    watching.push(begin);
    begin();
    // Paper is not scrolled.
    window.addEventListener("beforeprint", function () {
      left.forEach(come);
      left.clear();
    });
  }
  window.addEventListener("scroll", function () {
    moved = true;
    watching.forEach(function (begin) { begin(); });
  }, { once: true, passive: true });
  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }

  near(all(".sample"), function (sample) {
    var told = sample.dataset;
    page.sprite(sample, { source: told.source, side: 96, edge: 1, columns: +told.columns, rows: +told.rows }, +told.at);
  });
  if (!layer) return;

  /* The list of layers is one line: of many it begins where this one is. */
  var line = document.querySelector(".layers"), here = line.querySelector("[aria-current]");
  line.scrollLeft = here.offsetLeft - line.offsetLeft - (line.clientWidth - here.offsetWidth) / 2;

  /* The layer's units ------------------------------------------------------------------------- */

  var grid = by("units"), figures = all("#units .unit"), kind = layer.kinds.length ? layer.kinds[0].name : "";
  var place = {};
  layer.units.forEach(function (unit, at) { place[unit] = at; });

  function tile(element, sheets, at) {
    var sheet = sheets[Math.floor(at / layer.perSheet)];
    if (sheet && sheet.there.indexOf(at % layer.perSheet) >= 0) page.sprite(element, sheet, at % layer.perSheet);
  }
  function thumbnail(element, unit, of) {
    element.style.backgroundImage = "";
    if (page.live && page.live.thumbnail(element, unit, of)) return;
    tile(element, layer.sheets[of] || [], place[unit]);
  }
  function show() {
    near(figures, function (figure) { thumbnail(figure.firstChild, +figure.dataset.unit, kind); });
  }
  /* What is not made is no use on paper. */
  window.addEventListener("beforeprint", function () {
    figures.forEach(function (figure) {
      thumbnail(figure.firstChild, +figure.dataset.unit, kind);
      figure.classList.toggle("unmade", !figure.firstChild.style.backgroundImage);
    });
  });
  window.addEventListener("afterprint", function () {
    figures.forEach(function (figure) { figure.classList.remove("unmade"); });
  });
  figures.forEach(function (figure) {
    var value = layer.values[figure.dataset.unit];
    if (value !== undefined && !(value > 0)) figure.classList.add("off");
    if (value !== undefined) figure.title = "unit " + figure.dataset.unit + ", mean " + page.number(value);
  });

  var kinds = all("#kinds button");
  page.choice(kinds, function (number) { kind = kinds[number].dataset.kind; show(); });

  function arrange() {
    var order = by("order").value, alive = by("alive").checked, shown = 0;
    var rank = {};
    if (order === "likeness") layer.likeness.forEach(function (unit, at) { rank[unit] = at; });
    var sorted = figures.slice().sort(function (a, b) {
      var left = +a.dataset.unit, right = +b.dataset.unit;
      if (order === "value") {
        var by = value(right) - value(left);
        if (by) return by;
      }
      if (order === "likeness") {
        var step = (rank[left] === undefined ? Infinity : rank[left]) - (rank[right] === undefined ? Infinity : rank[right]);
        if (step) return step;
      }
      return left - right;
    });
    function value(unit) { var found = layer.values[unit]; return found === undefined ? -Infinity : found; }
    sorted.forEach(function (figure) {
      figure.hidden = alive && !(value(+figure.dataset.unit) > 0);
      shown += figure.hidden ? 0 : 1;
      grid.appendChild(figure);
    });
    by("none").hidden = shown > 0;
    figures = sorted;
    walk();
  }
  by("order").addEventListener("change", arrange);
  by("alive").addEventListener("change", arrange);
  all("[data-branch]").forEach(function (link) {
    link.addEventListener("click", function (event) {
      event.preventDefault();
      by("order").value = "number";
      by("alive").checked = false;
      arrange();
      by(layer.slug + "-" + link.dataset.branch).scrollIntoView();
    });
  });

  /* The arrow keys walk the grid, which is one stop of the Tab key. */
  var visible = [];
  function walk() {
    visible = figures.filter(function (figure) { return !figure.hidden; });
    figures.forEach(function (figure) { figure.tabIndex = -1; });
    if (visible.length) visible[0].tabIndex = 0;
  }
  function columns() {
    var first = visible.length ? visible[0].offsetTop : 0, count = 0;
    while (count < visible.length && visible[count].offsetTop === first) count++;
    return Math.max(count, 1);
  }
  function focus(number) {
    if (number < 0 || number >= visible.length) return;
    visible.forEach(function (figure) { figure.tabIndex = -1; });
    visible[number].tabIndex = 0;
    visible[number].focus();
  }
  grid.addEventListener("keydown", function (event) {
    var number = visible.indexOf(event.target.closest(".unit"));
    if (number < 0) return;
    var by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
    var to = event.key === "Home" ? 0 : event.key === "End" ? visible.length - 1 : by ? number + by : -1;
    if (to < 0 && event.key !== "Home") return;
    event.preventDefault();
    focus(to);
  });

  /* One unit, large --------------------------------------------------------------------------- */

  var dialog = by("unit"), chunks = {}, opened = null, waiting = null;

  page.arrived = function (details) {
    Object.keys(details).forEach(function (unit) { chunks[unit] = details[unit]; });
    if (waiting !== null && chunks[waiting.unit]) { var then = waiting.then; waiting = null; then(); }
  };
  function need(unit, then) {
    if (chunks[unit]) { then(); return; }
    var mine = waiting = { unit: unit, then: then };
    var source = "data/" + layer.slug + "." + Math.floor(place[unit] / layer.perSheet) + ".js", script = make("script", { src: source });
    // What did not come, or came without the unit, is said: nobody clicks in vain.
    ["load", "error"].forEach(function (what) {
      script.addEventListener(what, function () { if (waiting === mine) { waiting = null; missing(unit, source); } });
    });
    document.body.appendChild(script);
  }
  function missing(unit, source) {
    var sheet = empty(by("unit-sheet"));
    sheet.className = "sheet";
    opened = null;
    sheet.appendChild(make("header", {}, [make("h2", { id: "unit-name", tabindex: "-1", text: layer.name + ":" + unit }), make("div", { "class": "actions" }, [button("close", close)])]));
    sheet.appendChild(make("p", { role: "alert", text: "What is known of it cannot be read: " + source + " is not there, or does not have it. Load the page again; if that does not help, onnxscope microscope writes it again." }));
    if (!dialog.open) dialog.showModal();
  }

  function open(unit) {
    need(unit, function () {
      opened = Number(unit);
      draw(opened, chunks[unit]);
      if (!dialog.open) dialog.showModal();
      else by("unit-name").focus({ preventScroll: true });
    });
  }
  function close() { if (dialog.open) dialog.close(); }
  dialog.addEventListener("close", function () {
    var was = opened;
    opened = null;
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    var number = visible.indexOf(by(layer.slug + "-" + was));
    if (number >= 0) focus(number);
  });
  dialog.addEventListener("click", function (event) { if (event.target === dialog) close(); });

  function fromHash() {
    var start = "#" + layer.slug + "-", hash = decodeURIComponent(location.hash);
    var unit = hash.indexOf(start) === 0 ? hash.slice(start.length) : "";
    if (/^\d+$/.test(unit) && place[unit] !== undefined) open(Number(unit));
  }
  window.addEventListener("hashchange", fromHash);

  function neighbour(by) {
    var number = visible.indexOf(document.getElementById(layer.slug + "-" + opened)) + by;
    if (number < 0 || number >= visible.length) return;
    history.replaceState(null, "", "#" + visible[number].id);
    open(Number(visible[number].dataset.unit));
  }
  document.addEventListener("keydown", function (event) {
    if (opened === null || event.ctrlKey || event.metaKey || event.altKey) return;
    // A line that is wider than the sheet is scrolled by the arrows.
    if (event.target.tagName === "CODE" && /^Arrow/.test(event.key)) return;
    if (event.key === "n" || event.key === "ArrowRight") neighbour(1);
    else if (event.key === "p" || event.key === "ArrowLeft") neighbour(-1);
    else if (event.key === "c") toggle(opened);
    else return;
    event.preventDefault();
  });

  function map(told) {
    var canvas = make("canvas", { width: told.columns, height: told.rows, role: "img", "aria-label": "where the unit is active" });
    var context = canvas.getContext("2d"), image = context.createImageData(told.columns, told.rows);
    told.shades.forEach(function (shade, at) {
      image.data[4 * at] = image.data[4 * at + 1] = image.data[4 * at + 2] = shade;
      image.data[4 * at + 3] = 255;
    });
    context.putImageData(image, 0, 0);
    canvas.title = "from " + page.number(told.low) + " (black) to " + page.number(told.high) + " (white)";
    return canvas;
  }
  function curve(points) {
    var values = points.map(function (point) { return point[1]; });
    var low = Math.min.apply(null, values), high = Math.max.apply(null, values), last = points[points.length - 1][0];
    var path = points.map(function (point, at) {
      var x = last > 1 ? (100 * (point[0] - 1)) / (last - 1) : 0;
      return (at ? "L" : "M") + x.toFixed(1) + " " + (28 - (26 * (point[1] - low)) / (high - low || 1)).toFixed(1);
    }).join("");
    return make("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": "the value rises from " + page.number(values[0]) + " to " + page.number(values[values.length - 1]) }, [make("path", { d: path })]);
  }
  /* Only what the objective felt: the importance is the picture's opacity. */
  var faded = false;
  function fade(told) {
    var canvas = make("canvas", { width: layer.size[1], height: layer.size[0], "class": "faded", "aria-hidden": "true" });
    var mask = new Image(), picture = new Image(), left = 2;
    function draw() {
      if (--left) return;
      var context = canvas.getContext("2d");
      context.drawImage(mask, 0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-in";
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    }
    mask.onload = picture.onload = draw;
    mask.src = told.importance;
    picture.src = told.source;
    return canvas;
  }
  function view(told, of, unit, name) {
    var shape = layer.size[1] / layer.size[0];
    if (!told) return make("div", { "class": "view", "data-kind": of }, [make("h3", { text: name }), make("div", { "class": "stage missing", style: "--shape: " + shape, text: "not made yet" })]);
    var look = told.looks[0], said = of === "neuron" ? look.middle : look.mean;
    var parts = [make("h3", { text: name }), make("a", { "class": "stage", style: "display: block; --shape: " + shape, href: told.source, target: "_blank", rel: "noopener" }, [
      make("img", { src: told.source, alt: name + " picture of " + layer.name + " unit " + unit + ", value " + page.number(said), width: layer.size[1], height: layer.size[0] }), faded && told.importance ? fade(told) : null])];
    if (faded && told.importance) parts[1].classList.add("fading");
    if (told.looks.length === 1) {
      parts.push(make("div", { "class": "where", style: "--shape: " + (look.map ? look.map.columns / look.map.rows : 1) }, [
        look.map ? map(look.map) : make("span"),
        make("div", {}, [make("div", {}, [make("b", { text: page.number(look.mean) })].concat(told.before_activation
          ? [document.createTextNode(" mean before the activation function")]
          : [document.createTextNode(" mean, "), make("b", { text: page.number(look.max) }), document.createTextNode(" at most")])), curve(told.curve)]),
      ]));
    }
    told.warnings.forEach(function (warning) { parts.push(make("p", { "class": "warning", text: warning })); });
    return make("div", { "class": "view", "data-kind": of }, parts);
  }
  function button(text, act, label) {
    var made = make("button", { type: "button", text: text, "aria-label": label });
    made.addEventListener("click", act);
    return made;
  }
  function copier(text, name) {
    var made = button(name, function () {
      function done(words) { made.textContent = words; setTimeout(function () { made.textContent = name; }, 1500); }
      if (!navigator.clipboard) { done("not allowed"); return; }
      navigator.clipboard.writeText(text()).then(function () { done("copied"); }, function () { done("not allowed"); });
    });
    made.className = "copy";
    return made;
  }
  function address(unit) { return location.href.split("#")[0] + "#" + layer.slug + "-" + unit; }
  /* Photographs, from one sheet of patches. */
  function photographs(told) {
    var sheet = { source: told.source, side: 96, edge: 0, columns: told.columns, rows: told.rows }, at = 0;
    function row(title, listed, words) {
      if (!listed.length) return null;
      return make("div", { "class": "patches" }, [make("h5", { text: title }), make("div", { "class": "row" }, listed.map(function (one) {
        var said = words(one), patch = make("i", { role: "img", "aria-label": one.name + ", value " + page.number(one.value), title: one.name });
        page.sprite(patch, sheet, at++);
        return make("span", {}, [patch, make("span", { "class": "number", text: said })]);
      }))]);
    }
    function value(one) { return page.number(one.value); }
    return make("section", {}, [
      make("h4", { text: "In photographs" }),
      make("p", { "class": "said", text: "What its strongest cell sees, of " + told.photos.toLocaleString("en") + (told.photos === 1 ? " photograph; " : " photographs; ") + page.percent(told.positive) + " excite it, by " + page.number(told.mean) + " ± " + page.number(told.std) + "." }),
      row("most", told.most, value),
      row("by quantile", told.quantiles, function (one) { return Math.round(100 * one.quantile) + " %: " + page.number(one.value); }),
      row("least", told.least, value),
    ]);
  }
  function scores(told) {
    function one(name, value, meaning) {
      return make("div", { title: meaning }, [make("dt", { text: name }), make("dd", { text: value === null ? "–" : page.number(value) }), make("dd", { "class": "meaning", text: meaning })]);
    }
    return make("section", {}, [make("h4", { text: "How far its picture can be trusted" }), make("dl", { "class": "scores" }, [
      one("superstimulus", told.superstimulus, "its value over the best photograph's; above 1 it is more than any"),
      told.eye ? one("agreement", told.agreement, "how much nearer it is to the best photographs than to random ones, to " + told.eye + "; 0.5 is chance") : null,
      one("path", told.path, "whether it travels through the layers as such photographs do; 0 is as any, 1 as those"),
    ])]);
  }

  /* Units of other layers, with links where these have pages. */
  function relation(title, said, groups) {
    var names = Object.keys(groups);
    if (!names.length) return null;
    return make("section", {}, [make("h4", { text: title }), make("p", { "class": "said", text: said })].concat(names.map(function (name) {
      var other = layer.others[name] || { name: name };
      return make("div", { "class": "patches" }, [make("h5", { text: other.name }), make("div", { "class": "friends" }, groups[name].map(function (one) {
        var at = other.slug ? other.units.indexOf(one[0]) : -1;
        var words = make("span", { "class": "number", text: one[0] + " · " + page.percent(one[1]) });
        // What has no page here has no picture either.
        if (at < 0) return make("span", { "class": "friend" }, [words]);
        var picture = make("i");
        tile(picture, other.sheets, at);
        if (page.live && !picture.style.backgroundImage) page.live.tile(picture, [other.slug, one[0], "channel"]);
        return make("a", { "class": "friend", href: other.slug + ".html#" + other.slug + "-" + one[0], "aria-label": other.name + " unit " + one[0] + ", share " + page.percent(one[1]) }, [picture, words]);
      }))]);
    })));
  }

  function branch(unit) {
    if (layer.classes[unit]) return layer.classes[unit];
    var found = layer.branches.filter(function (one) { return one.start <= unit && unit < one.stop; })[0];
    return found ? found.name + ", " + (unit - found.start) : "";
  }

  function draw(unit, told) {
    var sheet = empty(by("unit-sheet"));
    sheet.className = "sheet";
    sheet.appendChild(make("header", {}, [
      make("h2", { id: "unit-name", tabindex: "-1", autofocus: true, text: layer.name + ":" + unit }),
      make("p", { text: branch(unit) }),
      make("div", { "class": "actions" }, [
        button("←", function () { neighbour(-1); }, "previous unit"), button("→", function () { neighbour(1); }, "next unit"),
        button(tray().indexOf(unit) < 0 ? "compare" : "do not compare", function () { toggle(unit); }),
        copier(function () { return address(unit); }, "link"),
        copier(function () { return layer.model + ", " + layer.name + ", unit " + unit + ". Made with onnxscope. " + address(unit); }, "citation"),
        button("close", close),
      ]),
    ]));
    sheet.appendChild(make("div", { "class": "views" }, layer.kinds.map(function (one) { return view(told.pictures[one.name], one.name, unit, one.title); })));
    if (layer.kinds.some(function (one) { return told.pictures[one.name] && told.pictures[one.name].importance; })) {
      var box = make("input", { type: "checkbox", id: "faded", checked: faded });
      box.addEventListener("change", function () { faded = box.checked; draw(unit, told); by("faded").focus(); });
      sheet.appendChild(make("p", { "class": "controls" }, [make("label", {}, [box, document.createTextNode(" Only what counted: the sum of its gradients over the ascent is each pixel's opacity")])]));
    }
    [
      told.examples && photographs(told.examples),
      told.scores && scores(told.scores),
      relation("Made of", "Which units of the layer before it make up its value at its own picture: activation times gradient, summed over places, as a share.", told.earlier || {}),
      relation("Counts for", "Units of later layers of whose value, each at its own picture, this one makes the largest shares.", told.later || {}),
    ].forEach(function (section) { if (section) sheet.appendChild(section); });
    if (told.alike.length) {
      sheet.appendChild(make("h4", { text: "Its picture also excites" }));
      sheet.appendChild(make("div", { "class": "friends" }, told.alike.map(function (other) {
        var picture = make("i"), link = make("a", { href: "#" + layer.slug + "-" + other, "aria-label": "unit " + other }, [picture, make("span", { "class": "number", text: String(other) })]);
        thumbnail(picture, other, "channel");
        return link;
      })));
    }
    var commands = layer.kinds.filter(function (one) { return told.pictures[one.name]; });
    if (commands.length) {
      sheet.appendChild(make("h4", { text: "The same pictures again" }));
      commands.forEach(function (one) {
        var text = told.pictures[one.name].command;
        sheet.appendChild(make("p", { "class": "command" }, [make("code", { text: text, tabindex: "0" }), copier(function () { return text; }, "copy")]));
      });
    }
    if (page.live) page.live.drawn(unit);
  }

  /* Units side by side ------------------------------------------------------------------------ */

  var store = "onnxscope " + layer.model + " " + layer.slug;
  var kept = [];
  try { kept = JSON.parse(localStorage.getItem(store) || "[]").filter(function (unit) { return place[unit] !== undefined; }); } catch (error) { kept = []; }
  function tray() { return kept; }
  function toggle(unit) {
    kept = kept.indexOf(unit) < 0 ? kept.concat([unit]) : kept.filter(function (one) { return one !== unit; });
    try { localStorage.setItem(store, JSON.stringify(kept)); } catch (error) { /* It is kept for this page alone. */ }
    showTray();
    if (opened !== null && chunks[opened]) { draw(opened, chunks[opened]); by("unit-name").focus({ preventScroll: true }); }
  }
  function showTray() {
    var shown = empty(by("tray"));
    shown.hidden = !kept.length;
    figures.forEach(function (figure) { figure.classList.toggle("in-tray", kept.indexOf(+figure.dataset.unit) >= 0); });
    if (!kept.length) return;
    kept.forEach(function (unit) {
      var tile = make("i", { style: "display: block; width: 72px; height: 72px" });
      thumbnail(tile, unit, kind);
      shown.appendChild(make("figure", {}, [tile, make("span", { "class": "number", text: String(unit) })]));
    });
    shown.appendChild(button("compare " + kept.length, compare));
    shown.appendChild(button("empty", function () { kept.slice().forEach(toggle); }));
  }
  function compare() {
    var left = kept.filter(function (unit) { return !chunks[unit]; });
    // One chunk after the other, and then all of them.
    if (left.length) { need(left[0], compare); return; }
    var sheet = empty(by("unit-sheet"));
    sheet.className = "sheet compared";
    opened = null;
    sheet.appendChild(make("header", {}, [make("h2", { id: "unit-name", text: kept.length + " units of " + layer.name }), make("div", { "class": "actions" }, [button("close", close)])]));
    layer.kinds.forEach(function (one) {
      sheet.appendChild(make("h4", { text: one.title }));
      sheet.appendChild(make("div", { "class": "views" }, kept.map(function (unit) { return view(chunks[unit].pictures[one.name], one.name, unit, layer.name + ":" + unit); })));
    });
    if (!dialog.open) dialog.showModal();
  }

  /* What a script that shows pictures on their way needs: it sets `page.live`. */
  page.microscope = { details: chunks, view: view, curve: curve, opened: function () { return opened; }, kind: function () { return kind; }, redraw: function () {
    var at = dialog.scrollTop;
    draw(opened, chunks[opened]);
    by("unit-name").focus({ preventScroll: true });
    dialog.scrollTop = at;
  } };

  show();
  arrange();
  showTray();
  fromHash();
})();
