// Before anything is drawn: the theme that was chosen, so that no page flashes; and what all parts share.
(() => {
  const chosen = /(?:^|; )muster_theme=(\w+)/.exec(document.cookie);
  document.documentElement.dataset.theme = chosen ? chosen[1] : "system";

  // Icon and tone by word: no state is told by colour alone.
  const TONES = {
    good: ["check_circle", "active", "successful", "published", "delivered", "succeeded", "complete", "acknowledged", "ok", "ready", "valid"],
    warn: ["error_outline", "successful with warnings", "partial", "held", "failed, retrying", "warning", "near", "paused", "superseded"],
    bad: ["cancel", "failed", "dead", "refused", "broken"],
    live: ["sync", "refreshing", "running", "evaluated"],
    wait: ["schedule", "queued", "pending", "waiting", "open", "sent"],
    idle: ["remove_circle_outline", "none", "draft", "inactive", "skipped", "cancelled", "expired", "revoked", "disabled", "off"],
  };
  const BY_WORD = {};
  for (const [tone, [icon, ...words]] of Object.entries(TONES)) for (const word of words) BY_WORD[word] = { tone, icon };

  const locale = navigator.languages && navigator.languages.length ? navigator.languages : undefined;
  const whole = new Intl.NumberFormat(locale);
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  const exactZone = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
  const short = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
  const tickDay = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  const tickTime = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  // numbers inside sentences are written by the console, as this language groups them: numeral.py reads it
  const parts = whole.formatToParts(1234567).concat(new Intl.NumberFormat(locale).formatToParts(0.5));
  const sign = (type) => (parts.find((part) => part.type === type) || { value: "" }).value;
  document.cookie = `muster_numerals=${encodeURIComponent(`${sign("group")}|${sign("decimal")}`)}; path=/; max-age=31536000; samesite=lax`;
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
  const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 7]];

  // What a page holds that is nowhere else is not left without asking: what the console says was not saved, and what
  // is being typed into a field of the builder, which takes it when the field is left.
  let typing = null;
  const begin = (event) => {
    const field = event.target;
    // a list that is searched by typing takes nothing that is typed
    const takes = field.closest && field.closest(".m-builder") && "value" in field && field.getAttribute("role") !== "combobox";
    typing = takes ? { field, before: field.value } : null;
  };
  for (const name of ["focusin", "change"]) document.addEventListener(name, begin);
  window.addEventListener("beforeunload", (event) => {
    const typed = typing && typing.field === document.activeElement && typing.field.value !== typing.before;
    if (window.muster.unsaved || typed) event.preventDefault();
  });

  window.muster = {
    unsaved: false,
    tone: (word) => BY_WORD[String(word).toLowerCase()] || { tone: "idle", icon: "circle" },
    number: (value) => (value === null || value === undefined || value === "" ? "–" : whole.format(value)),
    instant: (value) => (value ? exact.format(new Date(value)) : "–"),
    instantZone: (value) => (value ? exactZone.format(new Date(value)) : ""),
    short: (value) => (value ? short.format(new Date(value)) : "–"),
    day: (value) => (value ? day.format(new Date(value)) : "–"),
    // on an axis: the day at midnight, else the time of the day
    tick(value) {
      const at = new Date(value);
      return (at.getHours() || at.getMinutes() ? tickTime : tickDay).format(at);
    },
    ago(value) {
      if (!value) return "–";
      let amount = (new Date(value) - Date.now()) / 1000;
      for (const [unit, size] of STEPS) {
        if (Math.abs(amount) < size) return relative.format(Math.round(amount), unit);
        amount /= size;
      }
      return day.format(new Date(value));
    },
    duration(seconds) {
      if (seconds === null || seconds === undefined || seconds === "") return "–";
      if (seconds < 10) return `${whole.format(Math.round(seconds * 10) / 10)} s`;
      if (seconds < 60) return `${Math.round(seconds)} s`;
      if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
      return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
    },
    bytes(value) {
      if (value === null || value === undefined) return "–";
      const units = ["B", "kB", "MB", "GB", "TB"];
      let step = 0;
      while (value >= 1000 && step < units.length - 1) { value /= 1000; step++; }
      return `${whole.format(Math.round(value * 10) / 10)} ${units[step]}`;
    },
  };
})();
