"use strict";
// Takes over block by block what the server renders again; what a reader opened or stands on stays as it was.
(() => {
  const lost = document.getElementById("lost");
  const shown = new Map();
  let tag = null;

  function swap(block, fresh) {
    for (const one of block.querySelectorAll("details[open]")) {
      const same = fresh.querySelector(`#${CSS.escape(one.id)}`);
      if (same) same.open = true;
    }
    const scrolled = [...block.querySelectorAll(".scroll, pre")].map((one) => [one.scrollTop, one.scrollLeft]);
    const active = block.contains(document.activeElement) ? document.activeElement : null;
    const mark = [...block.querySelectorAll(".mark")].indexOf(active);
    const focused = active?.closest("details")?.id;
    block.replaceWith(fresh);
    [...fresh.querySelectorAll(".scroll, pre")].forEach((one, index) => {
      [one.scrollTop, one.scrollLeft] = scrolled[index] ?? [0, 0];
    });
    const again = fresh.querySelectorAll(".mark")[mark];
    if (again) again.focus({ preventScroll: true });
    else if (focused) document.querySelector(`#${CSS.escape(focused)} > summary`)?.focus({ preventScroll: true });
  }

  async function renew() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
      lost.hidden = answer.ok || answer.status === 304;
      if (!answer.ok) return;
      tag = answer.headers.get("ETag");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const fresh of page.querySelectorAll("[data-block]")) {
        const block = document.getElementById(fresh.id);
        const text = fresh.outerHTML;
        if (block && shown.get(fresh.id) !== text) {
          shown.set(fresh.id, text);
          swap(block, fresh);
        }
      }
    } catch {
      lost.hidden = false;
    }
  }

  async function forever() {
    await renew();
    setTimeout(forever, 3000);
  }
  setTimeout(forever, 3000);
})();
