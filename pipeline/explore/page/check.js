// Runs before the page, in browsers too old for it as well: says in one line what is missing.
(function () {
  "use strict";
  function problem() {
    if (location.protocol === "file:")
      return "This page cannot be opened as a file. Show its folder with a web server, for example: python -m http.server";
    if (typeof WebAssembly !== "object")
      return "This browser has no WebAssembly, which decodes the images of a cube. Use another browser, or allow it in the settings.";
    if (!window.isSecureContext || !window.crypto || !crypto.subtle)
      return "The browser checks a cube only on https:// or on localhost. Open the page at such an address.";
    if (typeof DecompressionStream !== "function" || !HTMLScriptElement.supports || !HTMLScriptElement.supports("importmap"))
      return "This browser is too old for the page. Use one of 2023 or later.";
    return "";
  }
  window.unsupported = problem();
  if (!window.unsupported) return;
  document.addEventListener("DOMContentLoaded", function () {
    var line = document.getElementById("problem");
    line.textContent = window.unsupported;
    line.hidden = false;
  });
})();
