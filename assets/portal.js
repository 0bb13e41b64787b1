// Every page works without this. It counts down, adds the viewer's own time zone, copies commands, and shows that a page has changed.
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
  let over = false;
  const tick = () => {
    for (const el of countdowns) {
      el.textContent = words(Date.parse(el.dateTime) - now());
    }
    for (const el of bars) {
      el.value = Math.max(0, (Date.parse(el.dataset.until) - now()) / 1000);
    }
    if (countdowns.length > 0) {
      document.title = `${countdowns[0].textContent} · ${titled}`;
      if (!over && countdowns.some((el) => Date.parse(el.dateTime) <= now())) {
        over = true;
        look();
      }
    }
  };
  if (countdowns.length > 0) {
    setInterval(tick, 1000);
  }

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

  // Looks again while something is on its way, for a quarter of an hour at most and only while the page is seen.
  const stop = Date.now() + 15 * 60 * 1000;
  let typed = false;
  document.addEventListener("input", () => { typed = true; });
  const changed = () => {
    const note = document.querySelector("[data-changed]");
    if (typed && note) {
      note.hidden = false;
    } else {
      location.replace(location.href.split("#")[0]);
    }
  };
  const look = async () => {
    if (!body.dataset.watch || document.hidden) {
      return;
    }
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const seen = /data-watch="([^"]*)"/.exec(await answer.text());
      if (answer.ok && (!seen || seen[1] !== body.dataset.watch)) {
        changed();
      }
    } catch {
      // the next look may reach the server again
    }
  };
  if (body.dataset.watch) {
    const timer = setInterval(() => {
      if (Date.now() > stop) {
        clearInterval(timer);
      } else {
        look();
      }
    }, 2000);
  }
})();
