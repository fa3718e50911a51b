(function () {
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, column) {
      head.dataset.sort = "";
      head.tabIndex = 0;
      head.title = "Sort";
      function sort() {
        var down = head.getAttribute("aria-sort") === "ascending";
        Array.prototype.forEach.call(heads, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var rows = Array.prototype.slice.call(table.tBodies[0].rows);
        rows.sort(function (left, right) {
          var a = left.cells[column].dataset.v, b = right.cells[column].dataset.v;
          a = a === undefined ? left.cells[column].textContent : a;
          b = b === undefined ? right.cells[column].textContent : b;
          if (a === "" || b === "") { return a === b ? 0 : a === "" ? 1 : -1; }
          var x = Number(a), y = Number(b);
          var order = isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
          return down ? -order : order;
        });
        rows.forEach(function (row) { table.tBodies[0].appendChild(row); });
      }
      head.addEventListener("click", sort);
      head.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
      });
    });
  });
  function unfold() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var part = target; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") { part.open = true; }
    }
    if (target) { target.scrollIntoView(); }
  }
  window.addEventListener("hashchange", unfold);
  document.querySelectorAll("nav a").forEach(function (link) {
    link.addEventListener("click", function () { if (link.hash === location.hash) { unfold(); } });
  });
  unfold();
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (part) { if (!part.classList.contains("huge")) { part.open = true; } });
  });
})();
