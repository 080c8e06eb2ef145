// Live parts of a page. What an answer has not changed stays the same element, so that the keyboard's focus, a typed
// text, an opened <details>, a selection and the place to which a table was scrolled stay as they are.
"use strict";
(() => {
  // A form with an input of the name "id" has no property "id" of its own.
  const idOf = (node) => (node instanceof Element && node.getAttribute("id")) || "";
  const isLive = (element) => element instanceof Element && element.hasAttribute("data-live");

  function matches(old, fresh) {
    return old.nodeName === fresh.nodeName && idOf(old) === idOf(fresh);
  }

  function sync(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    syncChildren(old, fresh);
  }

  function syncChildren(old, fresh) {
    const wanted = new Set([...fresh.children].map(idOf).filter(Boolean));
    // What is gone goes first: an element that has to be moved would lose the focus.
    for (const child of [...old.children]) if (idOf(child) && !wanted.has(idOf(child))) child.remove();
    const known = new Map([...old.children].filter((child) => idOf(child)).map((child) => [idOf(child), child]));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const named = known.get(idOf(next));
      const match = named && named.nodeName === next.nodeName ? named : at && matches(at, next) ? at : null;
      if (!match) {
        old.insertBefore(document.importNode(next, true), at);
      } else {
        // What has no name and stands before it is not wanted: the element itself is moved only if others are in its way.
        while (at && at !== match && !idOf(at)) {
          const following = at.nextSibling;
          at.remove();
          at = following;
        }
        if (match === at) at = at.nextSibling;
        else old.insertBefore(match, at);
        sync(match, next);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  // For users that do not see that something has changed (WCAG 4.1.3).
  function say(text) {
    const said = document.getElementById("said");
    if (said && said.textContent !== text) said.textContent = text;
  }

  // Why a part is not refreshed. An answer may say it; without one, the server is not there.
  function whyStale(xhr) {
    if (!xhr?.status) return "The server does not answer. This is how it was.";
    if (xhr.getResponseHeader("Stale-Because") === "database") {
      return "The database does not answer. This is how it was; open sessions and their transfers go on.";
    }
    if ([401, 403].includes(xhr.status)) return "You are not logged in any more, or may not see this any more. This is how it was.";
    return "The server could not refresh this. This is how it was.";
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isLive(event.detail.elt) && document.hidden) event.preventDefault();
  });
  // What a part was when it was sent last: the server does not send it again while it is the same.
  const tags = new WeakMap();
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (isLive(detail.elt) && tags.has(detail.elt)) detail.headers["If-None-Match"] = tags.get(detail.elt);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr, serverResponse, requestConfig } = event.detail;
    // A form that puts another live part in the place of this one is no refresh.
    if (!isLive(target) || requestConfig.elt !== target || ![200, 304].includes(xhr.status)) return;
    event.detail.shouldSwap = false;
    if (target.hasAttribute("data-stale")) {
      target.removeAttribute("data-stale");
      if (!document.querySelector("[data-stale]")) say("The list is refreshed again.");
    }
    if (xhr.status === 304) return;
    const tag = xhr.getResponseHeader("ETag");
    if (tag) tags.set(target, tag);
    else tags.delete(target);
    const fresh = new DOMParser().parseFromString(serverResponse, "text/html");
    syncChildren(target, fresh.body);
  });
  // What a list shows once it was filtered is said as well.
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (!(detail.requestConfig?.elt instanceof HTMLFormElement)) return;
    const part = document.getElementById(detail.target.id);
    const table = part?.querySelector("table");
    if (table) say(`${table.caption.textContent}: ${table.tBodies[0].rows.length} rows`);
  });
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("[data-all]")) return;
    for (const tick of target.closest("table").tBodies[0].querySelectorAll("input[type=checkbox]")) tick.checked = target.checked;
  });
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failure, (event) => {
      const { elt, xhr } = event.detail;
      if (!isLive(elt)) return;
      const why = whyStale(xhr);
      elt.setAttribute("data-stale", why);
      say(why);
    });
  }
})();
