/* What all pages share: elements, sprites, numbers, a grid that is walked with the arrow keys. */
(function () {
  "use strict";
  var page = (window.onnxscope = window.onnxscope || {});

  /* An element. Texts are texts, and never markup. */
  page.make = function (tag, attributes, children) {
    var svg = /^(svg|path|g|rect|title|text)$/.test(tag);
    var made = svg
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) {
      var value = attributes[name];
      if (value === null || value === undefined || value === false) return;
      if (name === "text") made.textContent = value;
      else made.setAttribute(name, value === true ? "" : value);
    });
    (children || []).forEach(function (child) { if (child) made.appendChild(child); });
    return made;
  };

  page.empty = function (element) {
    while (element.firstChild) element.removeChild(element.firstChild);
    return element;
  };

  function raw(text) {
    var binary = atob(text), bytes = new Uint8Array(binary.length);
    for (var i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }
  page.bytes = function (text) { return new Int8Array(raw(text).buffer); };
  page.floats = function (text) { return new Float32Array(raw(text).buffer); };

  /* One tile of a sheet, whatever the size of the element. Around each tile its edge is repeated,
     so that none bleeds into the next. */
  page.sprite = function (element, sheet, index) {
    var step = sheet.side + 2 * sheet.edge;
    var width = sheet.columns * step, height = sheet.rows * step;
    var left = (index % sheet.columns) * step + sheet.edge;
    var top = Math.floor(index / sheet.columns) * step + sheet.edge;
    element.classList.add("sprite");
    element.style.backgroundImage = "url('" + sheet.source + "')";
    element.style.backgroundSize =
      (100 * width) / sheet.side + "% " + (100 * height) / sheet.side + "%";
    element.style.backgroundPosition =
      (100 * left) / (width - sheet.side || 1) + "% " + (100 * top) / (height - sheet.side || 1) + "%";
    return element;
  };

  /* Three digits, as people write numbers; none that is not 0 is written as 0. */
  page.number = function (value) {
    if (value === 0) return "0";
    var size = Math.abs(value);
    if (size < 0.001) {
      var parts = value.toExponential(1).split("e");
      return parts[0].replace("-", "−") + " · 10" + parts[1].replace(/[-\d]/g, function (one) {
        return one === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹".charAt(+one);
      });
    }
    var digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : size >= 0.01 ? 4 : 5;
    return value.toFixed(digits).replace("-", "−");
  };
  /* A share between 0 and 1, in percent. */
  page.percent = function (share) {
    var of = 100 * share;
    if (of > 0 && of < 0.05) return "< 0.1 %";
    return (of === 0 || of >= 9.95 ? Math.round(of) : of.toFixed(1)) + " %";
  };

  /* Roving tabindex: the whole grid is one stop of the Tab key, arrows move within it.
     `cells` are in rows of `columns`; `enter` gets the number of the cell that is focused. */
  page.roving = function (cells, columns, enter, leave) {
    var at = 0;
    function to(next, focus) {
      cells[at].tabIndex = -1;
      at = next;
      cells[at].tabIndex = 0;
      if (focus) cells[at].focus();
    }
    cells.forEach(function (cell, number) {
      cell.tabIndex = number ? -1 : 0;
      cell.addEventListener("focus", function () { to(number, false); enter(number); });
      cell.addEventListener("keydown", function (event) {
        var row = Math.floor(number / columns), next = -1;
        var last = Math.min((row + 1) * columns, cells.length) - 1;
        if (event.key === "ArrowRight") next = Math.min(number + 1, last);
        else if (event.key === "ArrowLeft") next = Math.max(number - 1, row * columns);
        else if (event.key === "ArrowDown") next = number + columns < cells.length ? number + columns : number;
        else if (event.key === "ArrowUp") next = number >= columns ? number - columns : number;
        else if (event.key === "Home") next = event.ctrlKey ? 0 : row * columns;
        else if (event.key === "End") next = event.ctrlKey ? cells.length - 1 : last;
        else if (event.key === "Escape" && leave) { leave(); return; }
        else return;
        event.preventDefault();
        to(next, true);
      });
    });
  };

  /* Of several choices one: arrows choose, as radio buttons do. */
  page.choice = function (buttons, chosen) {
    function choose(number, focus) {
      buttons.forEach(function (button, other) {
        button.setAttribute("aria-checked", other === number ? "true" : "false");
        button.tabIndex = other === number ? 0 : -1;
      });
      if (focus) buttons[number].focus();
      chosen(number);
    }
    buttons.forEach(function (button, number) {
      button.tabIndex = button.getAttribute("aria-checked") === "true" ? 0 : -1;
      button.addEventListener("click", function () { choose(number, false); });
      button.addEventListener("keydown", function (event) {
        var by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!by) return;
        event.preventDefault();
        choose((number + by + buttons.length) % buttons.length, true);
      });
    });
    return choose;
  };
})();
