// Every page works without this. It counts down, adds the viewer's own time zone, copies commands, keeps a page as it is now, and keeps what was typed.
"use strict";
(() => {
  const body = document.body;
  const skew = (Date.parse(body.dataset.now) || Date.now()) - Date.now();
  const now = () => Date.now() + skew;
  const titled = document.title;

  const words = (left) => {
    const s = Math.max(0, Math.ceil(left / 1000));
    const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
    const first = parts.findIndex(([n]) => n > 0);
    return first < 0 ? "0 s" : parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ");
  };

  const countdowns = [...document.querySelectorAll("[data-countdown]")];
  const bars = [...document.querySelectorAll("progress[data-until]")];
  const titling = countdowns.find((el) => el.dataset.countdown === "left");
  let over = false;
  let stale = false;
  let unknown = false;
  const tick = () => {
    for (const el of countdowns) {
      el.textContent = stale ? "?" : words(Date.parse(el.dateTime) - now());
    }
    for (const el of bars) {
      el.value = Math.max(0, (Date.parse(el.dataset.until) - now()) / 1000);
    }
    const lead = stale ? "Changed" : unknown ? "Not known" : titling?.textContent;
    document.title = lead ? `${lead} · ${titled}` : titled;
    if (!over && countdowns.some((el) => Date.parse(el.dateTime) <= now())) {
      over = true;
      look();
    }
  };
  setInterval(tick, 1000);

  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone !== "UTC") {
    const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
    for (const el of document.querySelectorAll("time[datetime]:not([data-countdown])")) {
      el.title = local.format(new Date(el.dateTime));
    }
    const note = document.querySelector("[data-zone]");
    if (note) {
      note.textContent = `point at a time to see it in ${zone}.`;
    }
  }

  if (navigator.clipboard) {
    for (const pre of document.querySelectorAll("[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy: ${pre.getAttribute("aria-label")}`);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      pre.before(button);
    }
  }

  // What the browser keeps for this tab alone; one that keeps nothing does without.
  const keep = (name, value) => {
    try {
      sessionStorage.setItem(name, JSON.stringify(value));
    } catch {
      // nothing is kept
    }
  };
  const kept = (name) => {
    try {
      return JSON.parse(sessionStorage.getItem(name));
    } catch {
      return null;
    }
  };
  const reach = (el) => {
    const href = el?.getAttribute("href");
    return el?.id ? `#${CSS.escape(el.id)}` : href ? `a[href="${CSS.escape(href)}"]` : "";
  };

  // What is typed survives a sign-in: it is kept while it is typed, for the person who types it, and given back once after the sign-in page.
  const TYPED = "countersign.typed";
  let typed = false;
  const drafts = kept(TYPED);
  if (!body.dataset.person) {
    if (drafts && location.pathname === "/sign-in") {
      keep(TYPED, { ...drafts, signedIn: true });
    }
  } else {
    const forms = {};
    const keepForm = (form) => {
      if (form?.matches('main form[method="post"]')) {
        forms[form.getAttribute("action")] = Object.fromEntries(new FormData(form));
        keep(TYPED, { person: body.dataset.person, forms });
      }
    };
    keep(TYPED, null);
    for (const [action, fields] of Object.entries(drafts?.signedIn && drafts.person === body.dataset.person ? drafts.forms : {})) {
      const form = document.querySelector(`main form[method="post"][action="${CSS.escape(action)}"]`);
      for (const [name, value] of form ? Object.entries(fields) : []) {
        const field = form.elements.namedItem(name);
        if (field) {
          field.value = value;
          typed = true;
        }
      }
      keepForm(form);
    }
    document.querySelector("[data-kept]").hidden = !typed;
    document.querySelector("[data-filled]")?.toggleAttribute("hidden", typed);
    document.addEventListener("input", (event) => {
      typed = true;
      keepForm(event.target.form);
    });
    document.addEventListener("submit", (event) => keepForm(event.target));
  }

  const typing = () => typed || ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName);
  const show = (name) => {
    for (const el of document.querySelectorAll("[data-changed], [data-unknown], [data-signed-out]")) {
      el.hidden = !(name in el.dataset);
    }
  };

  // Looks again for as long as the page is open: often at first, seldom once it is old, more seldom still while nobody sees it.
  const SOON = 2000;
  const OLD = 15 * 60 * 1000;
  const opened = Date.now();
  const pace = () => (document.hidden ? 60_000 : Date.now() - opened < OLD ? SOON : 10_000);
  const place = location.pathname + location.search;
  let looking = false;
  let away = false;
  let missed = 0;
  let known = now();
  let timer;

  // Somebody is on the way to another page: what is learned meanwhile takes nobody back. A way that leads nowhere (a file, a server that is silent) is
  // over some time.
  let leaving = false;
  addEventListener("beforeunload", () => {
    leaving = true;
    setTimeout(() => (leaving = false), 10_000);
  });

  const changed = () => {
    if (leaving) {
      return;
    }
    if (typing()) {
      stale = true;
      show("changed");
      tick();
      return;
    }
    keep("countersign.at", { place, top: scrollY, at: reach(document.activeElement) });
    location.replace(location.href.split("#")[0]);
  };
  const notKnown = (name) => {
    unknown = true;
    for (const el of document.querySelectorAll("[data-since]")) {
      el.textContent = `${new Date(known).toISOString().slice(11, 19)} UTC`;
    }
    for (const link of document.querySelectorAll("[data-signed-out] a")) {
      link.href = `/sign-in?next=${encodeURIComponent(place)}`;
    }
    show(name);
    tick();
  };
  const ask = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10_000) });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
        // Nothing is to be learned before somebody signs in again: no look but where the page is seen again.
        away = true;
        notKnown("signedOut");
        return;
      }
      if (answer.status >= 500 || answer.status === 429) {
        throw new Error(`status ${answer.status}`);
      }
      const seen = /data-watch="([^"]*)"/.exec(await answer.text());
      missed = 0;
      known = now();
      if (answer.ok && seen?.[1] === body.dataset.watch) {
        unknown = false;
        show(stale ? "changed" : "");
      } else {
        unknown = false;
        changed();
      }
    } catch {
      missed += 1;
      if (missed > 1) {
        notKnown("unknown");
      }
    }
  };
  const look = async () => {
    if (!body.dataset.watch || looking) {
      return;
    }
    looking = true;
    away = false;
    clearTimeout(timer);
    await ask();
    looking = false;
    if (!away) {
      timer = setTimeout(look, pace());
    }
  };
  if (body.dataset.watch) {
    timer = setTimeout(look, pace());
    document.addEventListener("visibilitychange", look);
    addEventListener("online", look);
    addEventListener("pageshow", (event) => event.persisted && look());
  }
  const at = kept("countersign.at");
  keep("countersign.at", null);
  if (at?.place === place) {
    scrollTo(0, at.top);
    document.querySelector(at.at || "none")?.focus({ preventScroll: true });
  }
})();
