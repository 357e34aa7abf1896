// Runs before everything else in every page, whatever its policy. What a page gets to do it says with ran, which is an
// event of the CTLive SDK's kind too: the listener must not miss any.
window.names = [];
window.ran = (name) => {
  names.push(name);
  postMessage({name: "CTLiveEvent", type: "ChatStarted", object: {chatID: name, userID: "u"}}, "*");
};

window.violations = [];
document.addEventListener("securitypolicyviolation", (v) => {
  violations.push([v.disposition, v.effectiveDirective, v.blockedURI.replace(location.host, "SELF"), v.sample].join(" "));
});

// probe tries what markup cannot, looks at what has become of the markup, and returns what happened.
window.probe = async () => {
  const tries = {
    "javascript URL": () => document.querySelector("a").click(),
    "handler": () => document.querySelector("button").click(),
    "style sheet": () => document.querySelector("link").sheet.cssRules[0] && ran("style sheet"),
    "inline style": () => getComputedStyle(document.querySelector("h1")).order == 7 && ran("inline style"),
    "style attribute": () => getComputedStyle(document.querySelector("h2")).order == 8 && ran("style attribute"),
    "frame": () => document.querySelector("iframe").contentDocument.body.id == "framed" && ran("frame"),
    "own image": () => document.querySelector("#own").naturalWidth && ran("own image"),
    "other image": () => document.querySelector("#other").naturalWidth && ran("other image"),
    "own fetch": async () => (await fetch("/data")).ok && ran("own fetch"),
    "other fetch": async () => (await fetch(document.querySelector("#other").src)).ok && ran("other fetch"),
    "worker": () => new Promise((resolve, reject) => {
      const worker = new Worker("/worker.js");
      worker.onmessage = () => resolve(ran("worker"));
      worker.onerror = reject;
    }),
    "eval": () => eval("ran('eval')"),
    "innerHTML": () => { document.querySelector("h1").innerHTML = "<b>x</b>"; ran("innerHTML"); },
  };
  for (const name in tries) {
    try { await tries[name](); } catch (_) {} // blocked
  }
  ran("test"); // where nothing else could
  const pause = () => new Promise((done) => setTimeout(done, 20));
  for (let n = 0; window.ctlive && !ctlive.version && n < 250; n++) await pause();
  dispatchEvent(new Event("pagehide")); // the listener reports at once
  await pause(); // for the events of the last violations
  return {
    ran: names.sort(),
    violations: violations.sort(),
    listener: Boolean(window.ctlive && ctlive.version),
    left: document.querySelectorAll("[data-ctlive]").length,
  };
};
