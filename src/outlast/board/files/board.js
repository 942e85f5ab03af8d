// What pages do beyond showing themselves: they stay true, or say that they are not, say how long ago things were, ask
// before they change much, and are used from the keyboard.
(() => {
  const dialog = document.getElementById("dialog");
  const keys = document.getElementById("keys");
  const stale = document.getElementById("stale");
  const useKeys = document.getElementById("use-keys");
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const patience = 20_000; // milliseconds that an answer may take
  let tag = "";
  let trueAt = new Date();
  document.documentElement.classList.add("scripted");

  function span(seconds) {
    const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "s"];
    return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
  }

  function tellTimes() {
    for (const one of document.querySelectorAll("time[datetime]:not([data-exact])")) {
      const seconds = (Date.now() - Date.parse(one.dateTime)) / 1000;
      if (!Number.isNaN(seconds)) {
        const text = one.hasAttribute("data-span") ? `for ${span(seconds)}` : seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
        if (one.textContent !== text) one.textContent = text;
      }
    }
  }

  async function fetched(url, how) {
    // What the server answers, or why that is of no use: empty for a page of the dashboard, or one that has not changed.
    try {
      const answer = await fetch(url, { ...how, redirect: "manual", signal: AbortSignal.timeout(patience) });
      const text = await answer.text();
      return { answer, text, why: whyUseless(answer, text) };
    } catch {
      return { why: "the server does not answer" };
    }
  }

  function whyUseless(answer, text) {
    const isPage = text.includes('id="live"');
    if (answer.status === 304 || (isPage && [200, 404].includes(answer.status))) return "";
    if (answer.type === "opaqueredirect" || answer.ok) return "the server leads elsewhere, so you may have to log in again";
    const isPlain = answer.headers.get("Content-Type")?.startsWith("text/plain");
    const said = isPage ? parsed(text).querySelector("#live .empty")?.textContent : isPlain ? text.slice(0, 400) : "";
    return `the server answers ${answer.status}${said ? `: ${said}` : ""}`;
  }

  function parsed(text) {
    return new DOMParser().parseFromString(text, "text/html");
  }

  function tellStale(why) {
    if (!why) trueAt = new Date();
    const text = why && `Not up to date since ${trueAt.toLocaleTimeString()}: ${why}`;
    if (stale.textContent !== text) stale.textContent = text;
    stale.hidden = !why;
  }

  async function look() {
    const page = document.getElementById("live");
    if (!Number(page.dataset.every) || document.hidden || dialog.open) return;
    const headers = tag ? { "If-None-Match": tag } : {};
    const { answer, text, why } = await fetched(location.href, { headers, cache: "no-store" });
    if (document.hidden || dialog.open) return;
    tellStale(why);
    if (why || answer.status === 304) return;
    tag = answer.headers.get("ETag") ?? "";
    await htmx.swap({ sourceElement: page, target: page, swap: "outerMorph", select: "#live", text });
    tellTimes();
  }

  async function stayTrue() {
    for (;;) {
      const every = Number(document.getElementById("live").dataset.every) || 2;
      await new Promise((resolve) => setTimeout(resolve, every * 1000));
      await look().catch(() => undefined);
    }
  }

  async function ask(form, button) {
    const body = new URLSearchParams(new FormData(form, button));
    const { text, why } = await fetched(form.getAttribute("action"), { method: "POST", body });
    dialog.replaceChildren(why ? refusal(why) : parsed(text).getElementById("ask"));
    dialog.showModal();
  }

  function refusal(why) {
    const said = document.getElementById("refused").content.cloneNode(true);
    said.querySelector("p").textContent = why[0].toUpperCase() + why.slice(1);
    return said;
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-ask]")) return;
    event.preventDefault();
    ask(event.target, event.submitter);
  });
  document.addEventListener("click", (event) => {
    const way = event.target.closest("dialog [data-close]");
    if (!way) return;
    event.preventDefault();
    way.closest("dialog").close();
  });
  document.addEventListener("visibilitychange", () => look().catch(() => undefined));

  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  }

  // Only where a browser lets a page write there: over https, and on this machine.
  if (navigator.clipboard) document.documentElement.classList.add("copies");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button).catch(() => undefined);
  });

  function isTyping(target) {
    return target.matches("input:not([type=checkbox]), select, textarea");
  }

  // What an element says of itself in aria-keyshortcuts; someone who speaks to the machine may turn that off.
  document.addEventListener("keydown", (event) => {
    const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.repeat;
    if (!isPlain || !useKeys.checked || dialog.open || keys.open || isTyping(event.target)) return;
    const meant = document.querySelector(`[aria-keyshortcuts="${CSS.escape(event.key)}"]`);
    if (!meant) return;
    event.preventDefault();
    if (meant.matches("input")) meant.focus();
    else meant.click();
  });
  // No page has `autofocus`: a browser warns of it where somebody was quicker than the first picture of the page.
  document.getElementById("show-keys").addEventListener("click", () => {
    keys.showModal();
    keys.querySelector("[data-close]").focus();
  });
  try {
    useKeys.checked = localStorage.getItem("outlast-keys") !== "off";
    useKeys.addEventListener("change", () => localStorage.setItem("outlast-keys", useKeys.checked ? "on" : "off"));
  } catch {
    useKeys.closest("p").hidden = true; // this browser lets pages keep nothing
  }

  tellTimes();
  setInterval(() => stale.hidden && tellTimes(), 1000);
  stayTrue();
})();
