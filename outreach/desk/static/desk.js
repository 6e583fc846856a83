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
    for (const each of all("time[data-due]")) {
      const ms = Date.parse(each.dataset.due) - now;
      const text = ms > 0 ? `in ${waited(ms)}` : `${waited(-ms)} ago`;
      if (each.textContent !== text) each.textContent = text;
      // What falls due while one looks on is marked as it would be on a page that is fetched now.
      if (ms <= 0) each.closest("tr")?.classList.add("late");
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
  const tell = (text) => { if (connection && connection.textContent !== text) connection.textContent = text; };
  const signedOut = document.getElementById("signed-out");
  const page = () => document.querySelector("main.case");
  let counts = null;
  let queueIs = null;
  let asked = null;
  let position = Number(page()?.dataset.position ?? 0);
  let newest = {};
  let fetched = Date.now();
  // One thing at a time: what is pressed while an answer is awaited is not sent, and nothing is fetched under it.
  let acting = null;
  const busy = () => acting !== null && acting.readyState !== XMLHttpRequest.DONE;
  // A page that is being fetched anyway is not fetched again; what came in meanwhile is looked at afterwards.
  // The wallboard shows more than the queue: whatever moves, it is fetched again, but not under a hand that chooses.
  const behind = (queue) => queue.dataset.position !== undefined && position > Number(queue.dataset.position)
    && Date.now() - fetched > 3000 && !document.activeElement?.matches("#queue select");
  const follow = () => {
    if (busy() || signedOut?.open || document.querySelector("main.htmx-request, #queue.htmx-request")) return;
    const queue = document.getElementById("queue");
    if (queue && (queueIs !== null && queueIs !== queue.dataset.is && queueIs !== asked || behind(queue))) {
      asked = queueIs;  // once for each news: a page may well be newer than they are
      fetched = Date.now();
      htmx.trigger(body, "desk-changed");
    }
    const at = Number(page()?.dataset.position);
    if (newest.all > at || (newest[page()?.dataset.case] ?? 0) > at) htmx.trigger(body, "case-changed");
  };
  const heard = (event) => {
    const news = JSON.parse(event.data);
    tell(news.away ? "Not live: the history cannot be reached" : "");
    if (news.away) return;
    const now = `${news.waiting} waiting, ${news.front} at the front`;
    if (document.getElementById("queue") && counts !== null && counts !== now) says.textContent = now;
    counts = now;
    queueIs = news.queue;
    position = news.position;
    newest = { ...newest, ...news.cases, ...(news.all ? { all: news.position } : {}) };
    follow();
  };
  let source = null;
  const listen = () => {
    source = new EventSource(`/desk/events${position ? `?after=${position}` : ""}`);
    source.addEventListener("desk", heard);
    source.onerror = () => {
      tell("Not live: reconnecting");
      // The browser comes back by itself after a broken connection, but not after a refusal.
      if (source.readyState === EventSource.CLOSED && !signedOut.open) {
        setTimeout(listen, 2000);
        htmx.trigger(body, page() ? "case-changed" : "desk-changed");
      }
    };
  };
  if (body.dataset.now && window.EventSource) {
    listen();
    window.addEventListener("pagehide", () => source.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
  }
  body.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, xhr, requestConfig } = event.detail;
    if (requestConfig.verb !== "post" || !elt.closest("main")) return;
    if (busy()) {
      event.preventDefault();
      return;
    }
    acting = xhr;
    htmx.trigger(page(), "htmx:abort");  // an older page must not come in between
    page().setAttribute("aria-busy", "true");
  });
  body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.xhr === acting) page()?.removeAttribute("aria-busy");
  });
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || !event.target.closest("#queue")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
    event.submitter?.classList.add("htmx-request");
  });
  let scrolled = 0;
  let anchor = null;
  body.addEventListener("htmx:beforeSwap", () => {
    scrolled = document.getElementById("timeline")?.scrollTop ?? 0;
    // The row that one looks at stays where it is on the screen, whatever comes in above it.
    const row = document.querySelector("#queue tr[data-case]:hover") ?? rows().find((each) => each.dataset.case === selected);
    anchor = row ? { case: row.dataset.case, top: row.getBoundingClientRect().top } : null;
  });
  body.addEventListener("htmx:afterSettle", () => {
    tick();
    localise();
    const timeline = document.getElementById("timeline");
    if (timeline) timeline.scrollTop = scrolled;
    const row = rows().find((each) => each.dataset.case === selected);
    if (row) select(row, document.activeElement === body);
    const kept = anchor && rows().find((each) => each.dataset.case === anchor.case);
    if (kept) window.scrollBy({ top: kept.getBoundingClientRect().top - anchor.top, behavior: "instant" });
    anchor = null;
    const problem = document.getElementById("problem");
    const title = document.getElementById("next-title");
    if (title && document.activeElement === body) says.textContent = (problem ?? title).textContent;
    if (problem && problem.getBoundingClientRect().top < 44) problem.scrollIntoView({ block: "center" });
    follow();
  });
  body.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status === 401 && signedOut && !signedOut.open) signedOut.showModal();
    if (status >= 500) tell("The history cannot be reached; nothing was done");
  });
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    body.addEventListener(kind, () => { asked = null; });
  }
  body.addEventListener("htmx:sendError", () => tell("The desk cannot be reached; nothing was done"));
  body.addEventListener("htmx:timeout", () => tell("No answer from the desk; look before you press again"));

  // --- the session has ended: one signs in on the spot, and what was typed is still there ------------------------------
  signedOut?.addEventListener("cancel", (event) => event.preventDefault());
  signedOut?.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const problem = form.querySelector("[role=alert]");
    const shown = (text) => { problem.textContent = text; problem.hidden = !text; };
    shown("");
    let answer = null;
    try {
      answer = await fetch("/sign-in", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    } catch {
      return shown("The desk cannot be reached.");
    }
    const queue = new DOMParser().parseFromString(await answer.text(), "text/html");
    form.elements.password.value = "";
    if (!answer.ok) return shown(queue.querySelector("[role=alert]")?.textContent ?? "The desk cannot be reached.");
    if (queue.body.dataset.operator !== body.dataset.operator) return window.location.reload();
    // The proof that a form is ours belongs to the session: the new one's, for what is outside of the page's content.
    body.setAttribute("hx-headers", queue.body.getAttribute("hx-headers"));
    for (const each of all("header.bar [name=csrf]")) each.value = queue.querySelector("header.bar [name=csrf]").value;
    source?.close();
    listen();
    // Its forms carry the old proof until the content has been fetched again: before that, nothing is pressed.
    body.addEventListener("htmx:afterSettle", () => signedOut.close(), { once: true });
    return htmx.trigger(body, page() ? "case-changed" : "desk-changed");
  });

  // --- keys -------------------------------------------------------------------------------------------------------------
  const dialog = document.getElementById("shortcuts");
  const keysOn = document.getElementById("keys-on");
  if (keysOn) {
    keysOn.checked = localStorage.getItem("keys") !== "off";
    keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));
  }
  const press = (key) => {
    if (key === "?") return dialog.showModal();
    if (key === "q") return window.location.pathname === "/" ? undefined : window.location.assign("/");
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
    if (typing || !dialog || document.querySelector("dialog[open]") || (keysOn && !keysOn.checked && event.key !== "?")) return;
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
    const shown = document.querySelector("main.case[data-presence]");
    if (!shown || !active || signedOut.open || Date.now() - told < Number(shown.dataset.presence) * 1000) return;
    active = false;
    told = Date.now();
    htmx.ajax("POST", `/cases/${shown.dataset.case}/presence`, { source: body, swap: "none" });
  };

  tick();
  localise();
  setInterval(() => { tick(); follow(); present(); }, 1000);
})();
