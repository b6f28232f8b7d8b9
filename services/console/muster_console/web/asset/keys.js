// Keys of every page: search, help, and saving where something is built. Single keys can be turned off, for those
// who speak to their computer or hit keys unintended.
(() => {
  const MEMORY = "muster.keys";
  const EVERYWHERE = [
    ["/", "Search the list"],
    ["?", "Show these keys"],
    ["Esc", "Close a dialog or a menu"],
    ["Tab", "Go to the next field or button"],
    ["Shift Tab", "Go to the one before"],
  ];
  const EDITING = [
    ["Ctrl S", "Save"],
    ["Enter", "Take what was typed into a field"],
  ];
  const BUILDING = [
    ["Ctrl Z", "Undo, outside of a field"],
    ["Ctrl Y", "Redo, outside of a field"],
    ["Ctrl Enter", "Take the text being edited"],
  ];
  const single = () => {
    try { return localStorage.getItem(MEMORY) !== "off"; } catch { return true; }
  };
  const remember = (on) => {
    try { on ? localStorage.removeItem(MEMORY) : localStorage.setItem(MEMORY, "off"); } catch { /* not kept: on again */ }
  };

  function put(parent, tag, words, name) {
    const made = document.createElement(tag);
    if (words) made.textContent = words;
    if (name) made.className = name;
    return parent.appendChild(made);
  }

  function list(parent, title, keys) {
    put(parent, "h3", title);
    const lines = put(parent, "dl", "", "m-keys-list");
    for (const [key, words] of keys) {
      const line = put(lines, "div");
      const shown = put(line, "dt");
      for (const part of key.split(" ")) put(shown, "kbd", part);
      put(line, "dd", words);
    }
  }

  let before = null;
  function help() {
    if (before && before.isConnected) return;
    const dialog = put(document.body, "dialog", "", "m-keys");
    before = dialog;
    dialog.setAttribute("aria-label", "Keys");
    put(dialog, "h2", "Keys");
    list(dialog, "On every page", EVERYWHERE);
    if (document.querySelector(".m-save")) list(dialog, "On this page", EDITING);
    if (document.querySelector(".m-builder")) list(dialog, "In the builder", BUILDING);
    const label = put(dialog, "label", "", "m-keys-single");
    const box = put(label, "input");
    box.type = "checkbox";
    box.checked = single();
    box.addEventListener("change", () => remember(box.checked));
    put(label, "span", "Single keys (/ and ?) do something");
    const foot = put(dialog, "div", "", "m-dialog-foot");
    const close = put(foot, "button", "Close", "m-plain");
    close.type = "button";
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    close.focus();
  }

  const typing = (target) => target.closest && target.closest("input, textarea, select, [contenteditable]");

  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest(".m-keys-open")) help();
  });
  // In an open menu the arrows go from entry to entry, as everywhere; Quasar knows Tab only.
  const STEPS = { ArrowDown: 1, ArrowUp: -1, Home: 0, End: 0 };
  function step(event) {
    // a menu that is just coming up has no focus yet
    const menu = typing(event.target) ? null : document.querySelector(".m-menu");
    const entries = menu ? [...menu.querySelectorAll(".q-item[tabindex='0']")] : [];
    if (!entries.length) return;
    event.preventDefault();
    const now = entries.indexOf(document.activeElement);
    const next = event.key === "Home" ? 0 : event.key === "End" ? entries.length - 1 : now < 0 && STEPS[event.key] < 0 ? entries.length - 1 : now + STEPS[event.key];
    entries[(next + entries.length) % entries.length].focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key in STEPS) step(event);
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "s") {
      const save = document.querySelector(".m-save");
      if (!save) return;
      event.preventDefault();
      // what is being typed is taken when its field is left, as a click on the button would do
      if (document.activeElement) document.activeElement.blur();
      save.click();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typing(event.target) || document.querySelector(".q-dialog") || !single()) return;
    if (event.key === "?") {
      event.preventDefault();
      help();
    } else if (event.key === "/") {
      const search = document.querySelector(".m-search input");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
})();
