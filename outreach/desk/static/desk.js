// The desk without this file is for reading and for pressing buttons; with it, pages follow what happens, and keys work.
(() => {
  "use strict";
  const body = document.body;
  const skew = body.dataset.now ? Date.parse(body.dataset.now) - Date.now() : 0;
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // --- times: waiting times tick, moments are shown in this machine's zone -------------------------------------------
  const two = (number) => String(number).padStart(2, "0");
  const waited = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))}`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  };
  const tick = () => {
    const now = Date.now() + skew;
    for (const each of all("time[data-since]")) {
      const text = waited(now - Date.parse(each.dataset.since));
      if (each.textContent !== text) each.textContent = text;
    }
  };
  const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(new Date())
    .find((part) => part.type === "timeZoneName")?.value ?? "";
  const month = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });
  const localise = () => {
    for (const each of all("time[data-clock]")) {
      const at = new Date(each.dateTime);
      // What was not today is said with its day, or a case that goes on for days could not be read.
      const day = each.dataset.clock === "day" || at.toDateString() !== new Date(Date.now() + skew).toDateString();
      const seconds = day ? "" : `:${two(at.getSeconds())}`;
      each.textContent = `${day ? `${month.format(at)} ` : ""}${two(at.getHours())}:${two(at.getMinutes())}${seconds}`;
    }
    for (const each of all("[data-zone]")) each.textContent = zone;
  };

  // --- the queue: a row is selected and stays selected ----------------------------------------------------------------
  let selected = null;
  const rows = () => all("#queue tr[data-case]");
  const select = (row, focus) => {
    for (const each of rows()) each.classList.toggle("selected", each === row);
    selected = row ? row.dataset.case : null;
    if (row && focus) {
      row.querySelector(".reason a").focus({ preventScroll: true });
      row.scrollIntoView({ block: "nearest" });
    }
  };
  const step = (by) => {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.dataset.case === selected);
    select(list[at < 0 ? 0 : Math.min(list.length - 1, Math.max(0, at + by))], true);
  };

  // --- following --------------------------------------------------------------------------------------------------------
  const says = document.getElementById("says");
  const connection = document.getElementById("connection");
  let counts = null;
  let queueAt = null;
  let newest = {};
  // A page that is being fetched anyway is not fetched again; what came in meanwhile is looked at afterwards.
  const follow = () => {
    const page = document.querySelector("main.case");
    if (!page || document.querySelector("main.htmx-request, main form .htmx-request")) return;
    const position = Number(page.dataset.position);
    if (newest.all > position || (newest[page.dataset.case] ?? 0) > position) htmx.trigger(body, "case-changed");
  };
  const heard = (event) => {
    const news = JSON.parse(event.data);
    connection.textContent = "";
    const now = `${news.waiting} waiting, ${news.front} at the front`;
    const queue = document.getElementById("queue");
    if (queue && counts !== null && counts !== now) says.textContent = now;
    counts = now;
    if (queue && queueAt !== news.queue_position) htmx.trigger(body, "desk-changed");
    queueAt = news.queue_position;
    newest = { ...newest, ...news.cases, ...(news.all ? { all: news.position } : {}) };
    follow();
  };
  if (body.dataset.now && window.EventSource) {
    const page = document.querySelector("main.case");
    const source = new EventSource(`/desk/events${page ? `?after=${page.dataset.position}` : ""}`);
    source.addEventListener("desk", heard);
    source.onerror = () => { connection.textContent = "Not live: reconnecting"; };
    window.addEventListener("pagehide", () => source.close());
  }
  let scrolled = 0;
  body.addEventListener("htmx:beforeSwap", () => { scrolled = document.getElementById("timeline")?.scrollTop ?? 0; });
  body.addEventListener("htmx:afterSettle", () => {
    tick();
    localise();
    follow();
    const timeline = document.getElementById("timeline");
    if (timeline) timeline.scrollTop = scrolled;
    const row = rows().find((each) => each.dataset.case === selected);
    if (row) select(row, document.activeElement === body);
    const problem = document.getElementById("problem");
    const title = document.getElementById("next-title");
    if (title && document.activeElement === body) says.textContent = (problem ?? title).textContent;
  });
  body.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) connection.textContent = "The history cannot be reached; nothing was done";
  });
  body.addEventListener("htmx:sendError", () => { connection.textContent = "The desk cannot be reached; nothing was done"; });

  // --- keys -------------------------------------------------------------------------------------------------------------
  const dialog = document.getElementById("shortcuts");
  const keysOn = document.getElementById("keys-on");
  if (keysOn) {
    keysOn.checked = localStorage.getItem("keys") !== "off";
    keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));
  }
  const press = (key) => {
    if (key === "?") return dialog.showModal();
    if (key === "q") return document.getElementById("queue") ? undefined : window.location.assign("/");
    if (document.getElementById("queue")) {
      if (key === "j") return step(1);
      if (key === "k") return step(-1);
      const row = rows().find((each) => each.dataset.case === selected);
      if (key === "t" && row) return (row.querySelector("[data-take]") ?? row.querySelector("a")).click();
    }
    const target = all("[data-key]").find((each) => each.dataset.key === key && !each.disabled);
    if (!target) return undefined;
    if (target.dataset.does === "focus" || target.matches("input, textarea")) {
      target.scrollIntoView({ block: "nearest" });
      return target.focus({ focusVisible: true });
    }
    return target.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !"jk".includes(event.key)) return;
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing || !dialog || dialog.open || (keysOn && !keysOn.checked && event.key !== "?")) return;
    if (event.key.length !== 1) return;
    const before = document.activeElement;
    press(event.key);
    if (document.activeElement !== before) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open]")) dialog.showModal();
    if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("#queue tr[data-case]");
    if (row) select(row, false);
  });

  // --- presence: who holds a task says so by keys, pointer and focus; a page that is merely open says nothing ----------
  let active = true;
  let told = 0;
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "focus"]) {
    window.addEventListener(kind, () => { active = true; }, { passive: true, capture: true });
  }
  const present = () => {
    const page = document.querySelector("main.case[data-presence]");
    if (!page || !active || Date.now() - told < Number(page.dataset.presence) * 1000) return;
    active = false;
    told = Date.now();
    htmx.ajax("POST", `/cases/${page.dataset.case}/presence`, { source: body, swap: "none" });
  };

  tick();
  localise();
  setInterval(() => { tick(); follow(); present(); }, 1000);
})();
