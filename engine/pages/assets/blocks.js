/* The figures of a page of building blocks. */
(function () {
  "use strict";
  var page = window.onnxscope, make = page.make, known = page.blocks;
  var COLOURS = ["#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442", "#999999"];
  var loaded = {}, data = null;

  function find(id) { return document.getElementById(id); }
  function style(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function colour(group) { return COLOURS[group % COLOURS.length]; }
  function signed(value) { return (value > 0 ? "+" : "") + page.number(value); }

  /* Photographs ---------------------------------------------------------------------------------*/

  /* Each photograph's data are a script of their own: pages of the file system may load no other. */
  page.arrived = function (slug, given) {
    given.layers.forEach(function (layer) {
      layer.influences.forEach(function (one) {
        one.values = page.bytes(one.values);
        one.scales = page.floats(one.scales);
      });
    });
    loaded[slug] = given;
  };

  function show(slug) {
    if (loaded[slug]) { draw(loaded[slug]); return; }
    var script = make("script", { src: "photos/" + slug + "/data.js" });
    script.onload = function () { draw(loaded[slug]); };
    script.onerror = function () {
      find("missing").hidden = false;
      find("missing").textContent = "photos/" + slug + "/data.js cannot be read: it belongs beside this page.";
    };
    document.head.appendChild(script);
  }

  function draw(given) {
    data = given;
    document.documentElement.style.setProperty("--shape", given.width + " / " + given.height);
    drawGrids();
    drawInfluence();
    if (find("channels")) drawChannels();
    if (find("groups")) drawGroups();
  }

  function photo(holder) {
    var image = holder.querySelector("img");
    image.src = data.photo;
    image.alt = data.name + ", as the network was shown it";
    return image;
  }

  /* Grids of cells ------------------------------------------------------------------------------*/

  function title(layer) {
    var cells = layer.rows + "×" + layer.columns;
    var shown = layer.height + "×" + layer.width;
    return make("h3", {}, [
      make("span", { text: layer.name }),
      make("small", { text: cells === shown ? cells + " cells" : cells + " cells as " + shown })
    ]);
  }

  /* A grid of a layer's cells; `on` gets `enter(number)`, `leave()` and `click(number)`. */
  function grid(layer, what, on) {
    var cells = [], rows = [];
    for (var y = 0; y < layer.height; y++) {
      var row = make("div", { role: "row" });
      for (var x = 0; x < layer.width; x++) {
        var number = y * layer.width + x;
        var cell = make("div", { role: "gridcell", class: "cell", "aria-label": words(layer, number) }, [
          page.sprite(make("i", { class: "moves" }), layer.cells, number)
        ]);
        cells.push(cell);
        row.appendChild(cell);
      }
      rows.push(row);
    }
    var made = make("div", { role: "grid", class: "cells", "aria-label": what + " of " + layer.name }, rows);
    made.style.gridTemplateColumns = "repeat(" + layer.width + ", minmax(0, 1fr))";
    cells.forEach(function (cell, number) {
      cell.addEventListener("pointerenter", function (event) { if (event.pointerType !== "touch") on.enter(number); });
      cell.addEventListener("click", function () { on.click(number); });
    });
    made.addEventListener("pointerleave", function (event) { if (event.pointerType !== "touch") on.leave(); });
    page.roving(cells, layer.width, on.enter, on.release);
    made.addEventListener("focusout", function (event) { if (!made.contains(event.relatedTarget)) on.leave(); });
    return { element: made, cells: cells, layer: layer };
  }

  function words(layer, number) {
    var units = layer.strongest[number].map(function (pair) { return pair[0] + " (" + page.number(pair[1]) + ")"; });
    return layer.name + ", row " + Math.floor(number / layer.width) + ", column " + (number % layer.width) +
      (units.length ? ": units " + units.join(", ") : ": nothing fires");
  }

  /* The cell of another layer that lies at the same place. */
  function same(from, number, to) {
    var y = (Math.floor(number / from.width) + 0.5) / from.height;
    var x = ((number % from.width) + 0.5) / from.width;
    return Math.floor(y * to.height) * to.width + Math.floor(x * to.width);
  }

  function frame(holder, layer, number) {
    var box = holder.querySelector(".frame");
    box.hidden = number === null;
    if (number === null) return;
    box.style.left = (100 * (number % layer.width)) / layer.width + "%";
    box.style.top = (100 * Math.floor(number / layer.width)) / layer.height + "%";
    box.style.width = 100 / layer.width + "%";
    box.style.height = 100 / layer.height + "%";
  }

  /* What is looked at: hovered, focused, or kept by a click until Escape or another click. */
  function looking(shown) {
    var kept = null;
    function show(layer, number) { shown(layer, number); }
    return {
      of: function (layer) {
        return {
          enter: function (number) { if (!kept) show(layer, number); },
          leave: function () { if (kept) show(kept[0], kept[1]); else shown(null, null); },
          click: function (number) {
            kept = kept && kept[0] === layer && kept[1] === number ? null : [layer, number];
            show(layer, number);
          },
          release: function () { kept = null; shown(null, null); }
        };
      }
    };
  }

  function mark(grids, layer, number) {
    grids.forEach(function (one) {
      one.cells.forEach(function (cell) { cell.classList.remove("here"); });
      if (layer) one.cells[same(layer, number, one.layer)].classList.add("here");
    });
  }

  /* What each cell sees -------------------------------------------------------------------------*/

  function drawGrids() {
    var holder = page.empty(find("grids-panels")), reader = find("here"), grids;
    photo(reader);
    var look = looking(function (layer, number) {
      mark(grids, layer, number);
      frame(reader, layer, number);
      if (layer) read(layer, number);
    });
    grids = data.layers.map(function (layer) {
      var made = grid(layer, "Cells", look.of(layer));
      holder.appendChild(make("div", { class: "panel" }, [title(layer), made.element]));
      return made;
    });
    var magnitude = find("magnitude");
    function sized() {
      grids.forEach(function (one) {
        var longest = Math.max.apply(null, one.layer.lengths) || 1;
        one.cells.forEach(function (cell, number) {
          var part = Math.sqrt(one.layer.lengths[number] / longest);
          cell.firstChild.style.transform = magnitude.checked ? "scale(" + part.toFixed(3) + ")" : "";
        });
      });
    }
    magnitude.onchange = sized;
    sized();
    /* Something to read at once: where the last layer fires most. */
    var last = data.layers[data.layers.length - 1];
    read(last, last.lengths.indexOf(Math.max.apply(null, last.lengths)));
  }

  function read(layer, number) {
    var holder = page.empty(find("dictionary"));
    page.sprite(find("closer"), layer.cells, number).setAttribute("aria-label", words(layer, number));
    find("closer-said").textContent = layer.name + ", row " + Math.floor(number / layer.width) + ", column " + (number % layer.width);
    data.layers.forEach(function (one) {
      var at = same(layer, number, one);
      var strongest = one.strongest[at];
      var picture = page.sprite(make("i", { role: "img", "aria-label": words(one, at) }), one.cells, at);
      var entry = make("div", { class: "entry" + (one === layer ? " active" : "") }, [
        make("h3", {}, [make("span", { text: one.name })]),
        picture,
        units(one, strongest)
      ]);
      holder.appendChild(entry);
    });
  }

  function units(layer, pairs) {
    var made = make("div", { class: "units" });
    made.style.setProperty("--count", Math.max(known.strongest, 1));
    pairs.forEach(function (pair) { made.appendChild(unit(layer, pair[0], pair[1], layer.most, "div")); });
    if (!pairs.length) made.appendChild(make("div", { class: "unit", text: "Nothing fires here." }));
    return made;
  }

  function unit(layer, number, value, most, tag, said) {
    var tile = make("i", { role: "img", "aria-label": "unit " + number + " of " + layer.name });
    page.sprite(tile, layer.units, layer.units.index[number]);
    var bar = make("b", { class: said ? (value < 0 ? "against" : "for") : "" });
    bar.style.width = Math.min(100, (100 * Math.abs(value)) / most) + "%";
    return make(tag, { class: "unit", type: tag === "button" ? "button" : null }, [
      tile,
      make("span", { class: "bar" }, [bar]),
      make("span", { text: "unit " + number }),
      make("span", { class: "number", text: said ? signed(value) : page.number(value) })
    ]);
  }

  /* What speaks for what ------------------------------------------------------------------------*/

  function drawInfluence() {
    var holder = page.empty(find("influence-panels")), grids, bars = [];
    var look = looking(function (layer, number) {
      mark(grids, null, null);
      if (!layer) { everything(); return; }
      var at = data.layers.indexOf(layer);
      grids[at].cells[number].classList.add("here");
      grids.forEach(function (one, other) {
        if (other < at) heat(one, row(layer, other, number));
        else if (other > at) heat(one, column(data.layers[other], at, number));
        else heat(one, null, number);
      });
      classes(layer.classMaps ? layer.classMaps.map(function (map) { return map.values[number] * map.scale; }) : null);
      find("influence-now").textContent = layer.name + ", row " + Math.floor(number / layer.width) + ", column " + (number % layer.width);
    });
    function everything() {
      grids.forEach(function (one) { heat(one, null, null); });
      classes(null);
      find("influence-now").textContent = "";
    }
    /* Bars show the scores, or what a cell adds to them. */
    function classes(values) {
      var most = values ? Math.max.apply(null, values.map(Math.abs)) || 1 : 1;
      bars.forEach(function (one, number) {
        var value = values ? values[number] : data.classes[number].probability;
        one.bar.className = values ? (value < 0 ? "against" : "for") : "";
        one.bar.style.width = (100 * Math.abs(value)) / most + "%";
        one.number.textContent = values ? signed(value) : percent(data.classes[number].probability);
      });
    }
    grids = data.layers.map(function (layer) {
      var made = grid(layer, "Attributions", look.of(layer));
      holder.appendChild(make("div", { class: "panel" }, [title(layer), made.element]));
      return made;
    });
    if (data.classes.length) {
      var list = make("div", { class: "classes" });
      data.classes.forEach(function (one, number) {
        var value = make("span", { class: "number" }), bar = make("b");
        var button = make("button", { type: "button", class: "class" }, [
          make("span", {}, [make("span", { text: one.name }), value]), make("span", { class: "bar" }, [bar])
        ]);
        var on = function () {
          mark(grids, null, null);
          button.classList.add("here");
          grids.forEach(function (grid) { heat(grid, grid.layer.classMaps && grid.layer.classMaps[number].values); });
          find("influence-now").textContent = "score of " + one.name + ": " + page.number(one.score);
        };
        var off = function () { button.classList.remove("here"); everything(); };
        button.addEventListener("pointerenter", on);
        button.addEventListener("pointerleave", off);
        button.addEventListener("focus", on);
        button.addEventListener("blur", off);
        button.addEventListener("keydown", function (event) { if (event.key === "Escape") off(); });
        bars.push({ bar: bar, number: value });
        list.appendChild(button);
      });
      holder.appendChild(make("div", { class: "panel classes-panel" }, [
        make("h3", {}, [make("span", { text: "classes" }), make("small", { text: "probability" })]), list
      ]));
    }
    everything();
  }

  function percent(value) {
    return value >= 0.995 ? "> 99 %" : value < 0.005 ? "< 1 %" : Math.round(100 * value) + " %";
  }

  /* What a cell of a layer gets from an earlier one, and what it gives to a later one. */
  function row(layer, earlier, number) {
    var found = layer.influences[earlier], size = found.size;
    return found.values.subarray(number * size, (number + 1) * size);
  }
  function column(layer, earlier, number) {
    var found = layer.influences[earlier], values = [];
    for (var at = 0; at < found.scales.length; at++) {
      values.push(found.values[at * found.size + number] * found.scales[at]);
    }
    return values;
  }

  /* Cells stand out as far as they matter; those that take from it are blue. */
  function heat(one, values, alone) {
    var most = 0, number;
    if (values) for (number = 0; number < values.length; number++) most = Math.max(most, Math.abs(values[number]));
    one.cells.forEach(function (cell, number) {
      var part = 1;
      if (values) part = most ? Math.pow(Math.abs(values[number]) / most, 0.6) : 0;
      else if (alone !== null && alone !== undefined) part = number === alone ? 1 : 0.12;
      cell.firstChild.style.opacity = part.toFixed(3);
      cell.classList.toggle("against", Boolean(values) && values[number] < 0);
    });
  }

  /* A small map over a photograph: warm where it speaks for something, cold where against. */
  function cover(holder, values, layer, rgb) {
    var canvas = holder.querySelector("canvas");
    holder.classList.toggle("covered", Boolean(values));
    canvas.width = data.width;
    canvas.height = data.height;
    if (!values) return;
    paint(canvas, layer, [values], [rgb || null]);
  }

  function rgb(text) {
    var value = parseInt(text.slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }

  function paint(canvas, layer, maps, colours) {
    var small = document.createElement("canvas"), most = 0, number;
    small.width = layer.width;
    small.height = layer.height;
    var pen = small.getContext("2d"), pixels = pen.createImageData(layer.width, layer.height);
    maps.forEach(function (map) { for (number = 0; number < map.length; number++) most = Math.max(most, Math.abs(map[number])); });
    for (number = 0; number < layer.width * layer.height; number++) {
      var total = 0, mixed = [0, 0, 0];
      maps.forEach(function (map, at) {
        var value = map[number], tone = colours[at] || rgb(value < 0 ? style("--against") : style("--for"));
        value = Math.abs(value) / (most || 1);
        total += value;
        for (var part = 0; part < 3; part++) mixed[part] += value * tone[part];
      });
      for (var part = 0; part < 3; part++) pixels.data[4 * number + part] = total ? mixed[part] / total : 0;
      pixels.data[4 * number + 3] = 235 * Math.min(1, Math.pow(total, 0.8));
    }
    pen.putImageData(pixels, 0, 0);
    var large = canvas.getContext("2d");
    large.clearRect(0, 0, canvas.width, canvas.height);
    large.imageSmoothingQuality = "high";
    large.drawImage(small, 0, 0, canvas.width, canvas.height);
  }

  /* Which units make the class ------------------------------------------------------------------*/

  function drawChannels() {
    var tabs = page.empty(find("channels-classes")), picture = find("channels-photo");
    photo(picture);
    var buttons = data.classes.map(function (one, number) {
      var button = make("button", { type: "button", role: "radio", "aria-checked": number ? "false" : "true" }, [
        make("span", { text: one.name }), make("span", { class: "number", text: percent(one.probability) })
      ]);
      tabs.appendChild(button);
      return button;
    });
    function chosen(which) {
      var rows = page.empty(find("channels-rows")), most = 0;
      cover(picture, null);
      data.layers.forEach(function (layer) {
        layer.channels[which].forEach(function (one) { most = Math.max(most, Math.abs(one.value)); });
      });
      data.layers.forEach(function (layer) {
        var telling = make("div", { class: "telling", role: "group", "aria-label": "Units of " + layer.name });
        var tiles = layer.channels[which].map(function (one, number) {
          var tile = unit(layer, one.unit, one.value, most, "button", true);
          var first = one.value < 0 && (!number || layer.channels[which][number - 1].value > 0);
          if (first) tile.classList.add("first-against");
          tile.setAttribute("aria-label", "unit " + one.unit + " of " + layer.name + " adds " + signed(one.value));
          var on = function () { cover(picture, one.map, layer); };
          var off = function () { cover(picture, null); };
          tile.addEventListener("pointerenter", on);
          tile.addEventListener("pointerleave", off);
          tile.addEventListener("click", on);
          tile.addEventListener("blur", off);
          telling.appendChild(tile);
          tile.roved = on;
          return tile;
        });
        if (tiles.length) page.roving(tiles, tiles.length, function (number) { tiles[number].roved(); }, function () { cover(picture, null); });
        rows.appendChild(make("div", {}, [
          make("h3", {}, [make("span", { text: layer.name }), make("small", { text: tiles.length + " of " + layer.units.of + " units" })]),
          telling
        ]));
      });
    }
    page.choice(buttons, chosen);
    chosen(0);
  }

  /* Neurons that fire together ------------------------------------------------------------------*/

  function drawGroups() {
    var slider = find("groups-count"), counts = known.groups;
    function drawn() {
      var count = counts[Number(slider.value)];
      slider.setAttribute("aria-valuetext", count + " groups");
      find("groups-said").textContent = count;
      flowing(count);
    }
    slider.oninput = drawn;
    drawn();
  }

  function flowing(count) {
    var maps = page.empty(find("groups-maps")), flow = page.empty(find("groups-flow"));
    var layers = data.layers.filter(function (layer) { return layer.groups[count]; });
    var lines = make("svg", { "aria-hidden": "true" }), columns = [], pictures = [];
    flow.appendChild(lines);
    layers.forEach(function (layer) {
      var groups = layer.groups[count];
      var holder = make("div", { class: "stage map" }, [make("img"), make("canvas")]);
      photo(holder);
      holder.querySelector("img").alt = "Where the groups of " + layer.name + " are";
      var canvas = holder.querySelector("canvas");
      canvas.width = data.width;
      canvas.height = data.height;
      maps.appendChild(make("div", { class: "panel" }, [
        make("h3", {}, [make("span", { text: layer.name }), make("small", { text: Math.round(100 * groups.share) + " % explained" })]), holder
      ]));
      pictures.push({ canvas: canvas, layer: layer, groups: groups });
      var tiles = groups.maps.map(function (map, number) {
        var tile = page.sprite(make("button", { type: "button", class: "group", "aria-label": "group " + (number + 1) + " of " + count + " of " + layer.name }), groups.sheet, groups.first + number);
        tile.style.setProperty("--colour", colour(number));
        tile.addEventListener("pointerenter", function () { alone(layer, number); });
        tile.addEventListener("pointerleave", function () { alone(null); });
        tile.addEventListener("blur", function () { alone(null); });
        return tile;
      });
      page.roving(tiles, 1, function (number) { alone(layer, number); }, function () { alone(null); });
      columns.push({ layer: layer, tiles: tiles });
      flow.appendChild(make("div", { class: "column" }, [
        make("h3", {}, [make("span", { text: layer.name })]), make("div", { class: "stack" }, tiles)
      ]));
    });
    var ends = data.classes.map(function (one) {
      return make("div", { class: "end" }, [make("span", { text: one.name }), make("span", { class: "number", text: percent(one.probability) })]);
    });
    if (ends.length) {
      flow.appendChild(make("div", { class: "column ends" }, [
        make("h3", {}, [make("span", { text: "classes" })]), make("div", { class: "stack" }, ends)
      ]));
      columns.push({ layer: null, tiles: ends });
    }
    var paths = [], single = [null, null];
    function ribbons() {
      page.empty(lines);
      paths = [];
      var origin = flow.getBoundingClientRect();
      columns.forEach(function (to, at) {
        if (!at) return;
        var from = columns[at - 1];
        var values = to.layer ? to.layer.groups[count].flow : from.layer.groups[count].effects;
        if (!values) return;
        var most = 0;
        values.forEach(function (row) { row.forEach(function (value) { most = Math.max(most, Math.abs(value)); }); });
        values.forEach(function (row, source) {
          row.forEach(function (value, target) {
            var width = most ? (Math.abs(value) / most) * (flow.clientWidth < 600 ? 9 : 16) : 0;
            if (width < 0.4) return;
            var a = from.tiles[source].getBoundingClientRect(), b = to.tiles[target].getBoundingClientRect();
            var x = a.right - origin.left, y = a.top + a.height / 2 - origin.top;
            var u = b.left - origin.left, v = b.top + b.height / 2 - origin.top;
            var middle = (x + u) / 2;
            var path = make("path", {
              d: "M" + x + " " + y + " C" + middle + " " + y + " " + middle + " " + v + " " + u + " " + v,
              "stroke-width": width.toFixed(2), class: value < 0 ? "against" : null
            });
            if (value > 0) path.style.stroke = colour(source);
            lines.appendChild(path);
            paths.push({ path: path, ends: [[from.layer, source], [to.layer, target]] });
          });
        });
      });
      alone(single[0], single[1]);
    }
    function alone(layer, number) {
      single = [layer, number];
      flow.classList.toggle("alone", Boolean(layer));
      paths.forEach(function (one) {
        one.path.classList.toggle("here", Boolean(layer) && one.ends.some(function (end) { return end[0] === layer && end[1] === number; }));
      });
      pictures.forEach(function (one) {
        var every = one.groups.maps.map(function (map, at) { return at; });
        var shown = layer === one.layer ? [number] : every;
        paint(one.canvas, one.layer, shown.map(function (at) { return one.groups.maps[at]; }), shown.map(function (at) { return rgb(colour(at)); }));
        one.canvas.style.opacity = layer && layer !== one.layer ? 0.25 : 1;
      });
    }
    ribbons();
    page.redrawn = ribbons;
  }

  window.addEventListener("resize", function () { if (page.redrawn) page.redrawn(); });
  window.addEventListener("load", function () { if (page.redrawn) page.redrawn(); });

  var buttons = Array.prototype.slice.call(document.querySelectorAll("#photos button"));
  page.choice(buttons, function (number) { show(buttons[number].dataset.photo); });
  show(known.photos[0]);
})();
