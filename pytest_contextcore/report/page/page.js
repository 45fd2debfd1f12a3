"use strict";
// Everything is in the page already; this only chooses what is shown. No text of the evidence is ever made into markup.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const partOf = (node) => node.closest(".work");
  const picks = (work) => all(".pick", work).filter((pick) => pick.offsetParent !== null);
  const articleOf = (pick) => document.getElementById(decodeURIComponent(pick.hash.slice(1)));
  const pickOf = (article) => all(".pick", partOf(article)).find((pick) => articleOf(pick) === article);

  // --- one tab stop a waterfall; the arrow keys move it
  const focusOn = (pick) => {
    for (const other of all(".pick[tabindex='0']", partOf(pick))) other.tabIndex = -1;
    pick.tabIndex = 0;
    pick.focus();
  };
  for (const work of all(".work")) {
    all(".pick", work).forEach((pick, at) => { pick.tabIndex = at === 0 ? 0 : -1; });
    for (const link of all(".waterfall a:not(.pick)", work)) link.tabIndex = -1;
  }

  // --- gates of a phase, shown or not
  const fold = (group, folded) => {
    group.classList.toggle("folded", folded);
    const pick = group.querySelector(".phase .pick");
    if (group.querySelector(".gate")) pick.setAttribute("aria-expanded", String(!folded));
  };
  for (const group of all(".group")) fold(group, group.classList.contains("folded"));

  // --- the panel
  const close = (work) => {
    for (const shown of all("[data-shown]", work)) shown.removeAttribute("data-shown");
    for (const pick of all(".pick[aria-current]", work)) pick.removeAttribute("aria-current");
    work.querySelector(".panel").removeAttribute("data-open");
  };
  const show = (article, { remember = true } = {}) => {
    const work = partOf(article);
    close(work);
    complete(article);
    article.setAttribute("data-shown", "");
    const panel = work.querySelector(".panel");
    panel.setAttribute("data-open", "");
    panel.scrollTop = 0;
    const pick = pickOf(article);
    if (pick) {
      pick.closest(".row").setAttribute("data-shown", "");
      pick.setAttribute("aria-current", "true");
      for (const other of all(".pick[tabindex='0']", work)) other.tabIndex = -1;
      pick.tabIndex = 0;
      if (pick.closest(".gate")) fold(pick.closest(".group"), false);
      pick.closest(".row").scrollIntoView({ block: "nearest" });
    }
    if (remember) history.replaceState(history.state, "", `#${encodeURIComponent(article.id)}`);
  };

  // --- what an article gets when it is first shown: a button to close, buttons to copy, the reader's own time
  const button = (label, kind, action, name) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = kind;
    made.textContent = label;
    made.dataset.do = action;
    if (name) made.setAttribute("aria-label", name);
    return made;
  };
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const complete = (article) => {
    if (article.dataset.complete) return;
    article.dataset.complete = "yes";
    article.prepend(button("Close", "closer", "close"));
    for (const code of all("code.copy", article)) {
      const what = code.closest("div")?.querySelector("dt")?.textContent || "digest";
      code.after(button("copy", "copier", "copy", `Copy ${what}`));
    }
    for (const time of all(".facts time", article)) {
      const moment = new Date(time.dateTime);
      if (moment.getTimezoneOffset() === 0) continue;
      const mine = document.createElement("span");
      mine.className = "local";
      mine.textContent = `${local.format(moment)} in your time zone`;
      time.after(mine);
    }
  };
  const copy = async (from) => {
    const code = from.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      from.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      from.textContent = "selected";
    }
    setTimeout(() => { from.textContent = "copy"; }, 1500);
  };

  // --- what people do
  const actions = {
    theme: () => {
      const dark = document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      document.documentElement.dataset.theme = dark ? "light" : "dark";
    },
    fold: (from) => all(".group", partOf(from)).forEach((group) => fold(group, true)),
    unfold: (from) => all(".group", partOf(from)).forEach((group) => fold(group, false)),
    open: (from) => {
      const on = partOf(from).classList.toggle("only-open");
      from.setAttribute("aria-pressed", String(on));
    },
    close: (from) => {
      const pick = pickOf(from.closest("article"));
      close(partOf(from));
      if (pick && pick.offsetParent) focusOn(pick);
    },
    copy,
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("button[data-do]");
    if (pressed) { actions[pressed.dataset.do](pressed); return; }
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.target.closest("a[href^='#']");
    const row = event.target.closest(".row");
    const target = link ? articleOf(link) : row && articleOf(row.querySelector(".pick"));
    if (!target || !target.matches("article.span")) return;
    event.preventDefault();
    const pick = pickOf(target);
    const again = link?.matches(".phase .pick") && link.getAttribute("aria-current");
    show(target);
    if (again) fold(link.closest(".group"), !link.closest(".group").classList.contains("folded"));
    else if (row?.matches(".phase") && link?.matches(".pick")) fold(row.closest(".group"), false);
    if (pick && pick.offsetParent) focusOn(pick);
  });

  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const work = event.target.closest(".work") || document.querySelector(".work:has(.panel[data-open])");
    if (event.key === "Escape" && work) {
      const shown = work.querySelector("article[data-shown]");
      if (shown) actions.close(shown);
      return;
    }
    const pick = event.target.closest(".pick");
    if (!pick) return;
    const group = pick.closest(".group");
    let next = null;
    if (event.key in moves) {
      const visible = picks(work);
      const at = visible.indexOf(pick) + moves[event.key];
      next = visible[Math.max(0, Math.min(visible.length - 1, at))];
    } else if (event.key === "ArrowRight" && group) {
      if (group.classList.contains("folded")) fold(group, false);
      else next = pick.closest(".phase") && group.querySelector(".gate .pick");
    } else if (event.key === "ArrowLeft" && group) {
      if (pick.closest(".gate")) next = group.querySelector(".phase .pick");
      else fold(group, true);
    } else if (event.key === "Enter" || event.key === " ") {
      show(articleOf(pick));
    } else return;
    event.preventDefault();
    if (!next) return;
    focusOn(next);
    if (work.querySelector(".panel[data-open]")) show(articleOf(next));
  });

  const fromAddress = () => {
    const article = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (article && article.matches("article.span")) show(article, { remember: false });
  };
  addEventListener("hashchange", fromAddress);

  // --- while the run goes on the page reloads itself, and the reader finds it as it was
  const left = history.state || {};
  const folds = { ...left.folds };
  const groups = all(".group").map((group) => [group.querySelector(".phase .pick").hash, group]);
  const isFolded = (group) => group.classList.contains("folded");
  const nameOf = (node) => [node.className, node.getAttribute("href") || node.ariaLabel || node.dataset.do].join();
  for (const [name, group] of groups) if (name in folds) fold(group, folds[name]);
  for (const at of left.open || []) actions.open(all("[data-do=open]")[at]);
  fromAddress();
  const shown = groups.map(([, group]) => isFolded(group));
  all(".panel").forEach((panel, at) => { panel.scrollTop = left.panels?.[at] || 0; });
  all("a, button, pre").find((node) => nameOf(node) === left.focus)?.focus({ preventScroll: true });
  if (left.y !== undefined) scrollTo(0, left.y);
  history.scrollRestoration = "auto";

  const live = document.querySelector(".live");
  if (!live) return;
  const { alive } = live.dataset;
  const [every, patience] = [Number(live.dataset.every), Number(live.dataset.patience)];
  const vain = left.alive === alive ? left.vain + 1 : 0;  // not by a clock: a machine may sleep
  const reload = () => {
    if (document.hidden || !getSelection().isCollapsed) { setTimeout(reload, 1000 * every); return; }
    groups.forEach(([name, group], at) => { if (isFolded(group) !== shown[at]) folds[name] = isFolded(group); });
    history.scrollRestoration = "manual";
    history.replaceState({
      alive, vain, y: scrollY,
      theme: document.documentElement.dataset.theme,
      folds,
      open: all("[data-do=open]").flatMap((made, at) => made.getAttribute("aria-pressed") === "true" ? [at] : []),
      panels: all(".panel").map((panel) => panel.scrollTop),
      focus: nameOf(document.activeElement),
    }, "");
    location.reload();
  };
  if (vain * every < patience) setTimeout(reload, 1000 * every);
  else {
    live.className = "live warn over";
    document.title = `no news: ${document.title}`;
    for (const headline of all(".banner.active .headline span")) headline.prepend("No news: ");
  }
})();
