/*
 * The listener: hears CTLiveEvent messages, tells the page's own code, and delivers each event to the collector.
 *
 * The build makes this file one function. The server puts in front of it
 *   config    {events: path to post to, origins: further origins to believe, and where set: consentRequired, ignoreGPC,
 *             keepQuery}
 *   handlers  functions of ctlive: the data layer, and what loads the operator's own code
 * and the inline script has left window.ctlive = {tag, queue, handleEvent}. A cached page may bring an older inline
 * script, so those names stay.
 *
 * What it owes the page: it throws nothing into it, takes a bounded amount of memory and storage, stores and sends
 * nothing before it may (consent, Global Privacy Control), and leaves no element.
 *
 * What it owes the operator: an event, once heard, is delivered or counted. Each page view has a queue in localStorage,
 * under "ctlive:" and the page view's id: the body of its next request. An event leaves the queue when the server has
 * answered for it and not before, whoever sends it, this page or a later one that adopts what a closed tab left. To
 * send an event twice does no harm, because the collector knows its id.
 *
 * Every request carries the running totals of its page view, so that the collector can account for each:
 *   seen           CTLiveEvent messages heard = stored + rejected + refused + dropped + still under way
 *   refused        of them, not believed; refused_from: the origin of the last such
 *   dropped        of them, given up; lost: the same by reason,
 *                    early    beyond what the inline script holds
 *                    rate     beyond 100 at once and 10 a second
 *                    data     nothing that can be written down: cycles, getters that throw, a million keys
 *                    full     pushed out by newer ones
 *                    age      of the oldest of more than 50 page views that could not send
 *                    consent  held or queued when the visitor said no
 *                    denied   in a batch that the server answered with 4xx
 *   errors, error  how often code that is not ours has thrown, and what it said first
 *   memory         true: no storage, so that what is not sent goes with the page
 *
 * Plain ES2017 in 2,300 bytes of brotli. Where a line is terse, that is why.
 */
const api = window.ctlive = window.ctlive || {};
if (document.currentScript) document.currentScript.remove(); // Trusted Types pages have us in their markup

const NAME = "CTLiveEvent", PREFIX = "ctlive:";
const MINUTE = 6e4; // in milliseconds, as all times
const MANY = 500; // events held, or queued by a page view

let page, own; // page-view id and its queue's key
let mine = []; // the keys of all queues that are ours to send
let totals = {}; // of this page view so far, see above
let seq; // number of its last event
let reported; // sum() when they were last sent
let awake; // when a prerendered page was shown, by performance.now(), or 0
let began = 0; // wall time at time 0 of performance.now()
let tokens = 100, refilled = 0; // the token bucket, and when it was filled up last
let failures = 0, timer = 0; // requests that failed since one went well; the next flush
let listeners = []; // [type, function]
const seen = []; // the events of this document
const held = []; // those that may not be stored yet
const flying = new Set(); // ids of those in requests under way

// box holds the queues, and the visitor's answer about consent. It is used by property, so that a plain object can take
// its place where storage is denied or full.
let box = {};
try { box = localStorage || box; } catch (_) {}

const put = (key, text) => {
  try { box[key] = text; } catch (_) { box = Object.assign({}, box, {[key]: text}); }
};

const load = (key) => {
  try {
    const queue = JSON.parse(box[key]);
    return queue.events.every((event) => event.id) && queue;
  } catch (_) {}
};

// lose counts n events of a queue's page view as dropped.
const lose = (reason, n, queue = totals) => {
  const account = queue.page == page ? totals : queue;
  account.dropped += n;
  (account.lost = account.lost || {})[reason] = ~~account.lost[reason] + n;
};

const sum = () => totals.seen + totals.dropped + totals.errors;

// save gives up the oldest events of a queue that has too many, or more than 256 Ki characters.
const save = (key, queue, sent_at = Date.now()) => {
  while (queue.events[MANY] || queue.events[0] && JSON.stringify(queue).length > 2 ** 18) {
    queue.events.shift();
    lose("full", 1, queue);
  }
  put(key, JSON.stringify(Object.assign(queue, {sent_at, memory: !box.setItem || undefined}, key == own && totals)));
};

// waiting returns the events of a queue that are in no request.
const waiting = (queue) => queue.events.filter((event) => !flying.has(event.id));

const queues = () => Object.keys(box).filter((key) => key.startsWith(PREFIX));

// uuid returns a UUID of version 7. Pages over plain http have no crypto.randomUUID.
const uuid = () => crypto.getRandomValues(new Uint8Array(10)).reduce(
  (hex, byte) => hex + (byte + 256).toString(16).slice(1), "0" + Date.now().toString(16),
).replace(/(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-7$3-8$4-");

// fit returns the first of make(n), make(n/2), … make(1) that is no longer than max bytes, or undefined.
const fit = (n, max, make) => {
  for (; n; n >>= 1) {
    const text = make(n);
    if (new Blob([text]).size <= max) return text;
  }
};

// plain copies value as mere data, its strings and arrays cut until it takes no more than max bytes. It throws where
// that cannot be done: cycles, getters that throw, a million keys.
const plain = (value, max) => JSON.parse(fit(1e3, max, (n) => JSON.stringify(value, (_, v) =>
  typeof v == "string" || Array.isArray(v) ? v.slice(0, n) : typeof v == "bigint" ? "" + v : v)));

const strip = (url) => config.keepQuery ? url : url.split(/[?#]/)[0];

// envelope returns an empty queue for this page view.
const envelope = () => {
  let session = page;
  try { session = sessionStorage.ctlive = sessionStorage.ctlive || page; } catch (_) {}
  return plain({
    v: 1, page, session, url: strip(location.href), referrer: strip(document.referrer), title: document.title,
    lang: navigator.language, token: api.tag && api.tag.dataset.ctlive || undefined, consent: config.consentRequired, events: [],
  }, 9e3);
};

// call runs code that is not ours, at once. What it throws, or rejects its promise with, goes no further than this.
const call = (fn, argument) => new Promise((done) => done(fn(argument))).catch((error) => {
  totals.errors++;
  console.error(error);
  totals.error = totals.error || String(error).slice(0, 200);
}).catch(() => {}); // an error that cannot be a string

const tell = (event, type, fn) => {
  if (type == "*" || type == event.type) call(fn, event);
};

// The source, because any frame and any opener can post to this window; the origin, because the window may have held
// another site when the message was posted.
const believed = ({source, origin}) =>
  source == window && origin == location.origin || config.origins.includes(origin);

const take = (message) => {
  totals.seen++;
  try {
    let data = message.data;
    if (typeof data == "string") data = data.includes(NAME) && JSON.parse(data);
    if (!data || data.name != NAME) return totals.seen--;
    if (!believed(message)) {
      totals.refused_from = message.origin.slice(0, 99);
      return totals.refused++;
    }

    const now = performance.now();
    tokens = Math.min(100, tokens + (now - refilled) / 100); // 10 events a second, 100 at once
    refilled = now;
    if (tokens < 1) return lose("rate", 1);
    tokens--;

    // performance.timeOrigin is off once the clock is set or the machine sleeps. A new reading for each event would
    // differ from the last by rounding, and put events of one moment out of order.
    if (Math.abs(Date.now() - now - began) > 99) began = Date.now() - now;
    const mono = Math.round(Math.max(awake, Math.min(now, message.timeStamp)));
    const event = {
      id: uuid(), seq: ++seq, at: Math.round(began + mono), mono,
      type: data.type.slice(0, 64), object: plain(data.object || {}, 15e3), // the collector takes 16 KiB
    };
    if (seen.push(event) > 999) seen.shift();
    held.push(event);
    release();
    listeners.forEach(([type, fn]) => tell(event, type, fn));
  } catch (_) {
    lose("data", 1);
  }
};

const allowed = () => (box.ctlive || !config.consentRequired) > 0 && // "1", "0", or never asked
  (config.ignoreGPC || !navigator.globalPrivacyControl && navigator.doNotTrack != 1);

// release moves what is held into the queue, if it may.
const release = (due = held.length) => {
  if (held.length > MANY) {
    held.shift();
    lose("full", 1);
  }
  if (due && allowed()) {
    const queue = load(own) || envelope();
    queue.events.push(...held.splice(0));
    save(own, queue);
    soon();
  }
};

// soon has the queues sent. A timer that is set stays: new events do not cut a pause short.
const soon = () => { timer = timer || setTimeout(flush, 300); };

const flush = async (keys = mine) => {
  clearTimeout(timer);
  timer = 0;
  try {
    for (const key of keys) while (await send(key));
  } catch (reason) { // seconds to wait; or an error, then 1 to 2 s, doubling up to 1 to 2 minutes
    failures++;
    clearTimeout(timer); // of an event that came meanwhile
    timer = setTimeout(flush,
      (Math.min(reason * 1e3, 60 * MINUTE) || Math.min(500 * 2 ** failures, MINUTE)) * (1 + Math.random()));
  }
};

// send delivers one batch of a queue and reports whether to go on; it throws if the batch is to be tried again. The
// page may be on its way out, so everything up to the request happens at once.
const send = async (key) => {
  const queue = allowed() && load(key);
  if (!queue) return;
  const ready = waiting(queue);
  if (!ready.length && queue.events.length) return;
  save(key, queue);
  if (key == own) reported = sum();

  // All keepalive requests of a page share 64 KiB.
  const body = fit(ready.length || 1, 48e3, (n) => JSON.stringify(Object.assign(queue, {events: ready.slice(0, n)})));
  const ids = queue.events.map((event) => event.id);
  let denied = ids.length;
  ids.forEach((id) => flying.add(id));
  try {
    if (await accepted(await post(body))) denied = 0;
  } finally {
    ids.forEach((id) => flying.delete(id));
  }
  failures = 0;

  const rest = load(key) || queue; // as it is by now, unless another page was faster
  rest.events = rest.events.filter((event) => !ids.includes(event.id));
  if (denied) lose("denied", denied, rest);
  if (rest.events.length || denied) save(key, rest);
  else delete box[key];
  return 1;
};

// accepted reports whether the server took the batch or refused it for good. It throws, Retry-After if there is one,
// where neither is sure: a login page is no receipt, although it is 200.
const accepted = async (response) => {
  if (/^4(?!08|29)/.test(response.status)) return;
  if (!response.ok) throw response.headers.get("Retry-After");
  return response.json();
};

// post gets by where a page has replaced fetch by something that throws. After a failure it goes without keepalive, as
// the page may have used those 64 KiB up. The URL is whole because a base element must not send it elsewhere.
const post = (body) => {
  const url = location.origin + config.events;
  try {
    return fetch(url, {method: "POST", body, keepalive: !failures});
  } catch (_) {
    return new Response("{}", {status: navigator.sendBeacon(url, body) ? 200 : 503});
  }
};

// claim takes over queues that nobody looks after: sent_at is recent while a page does, and 0 once that page has gone.
// Of more than 50 queues the oldest are emptied, to be sent as mere accounts; of more than 200 they are given up.
const claim = () => queues().sort().forEach((key, i, all) => {
  const queue = load(key);
  if (queue && Math.abs(Date.now() - queue.sent_at) > 5 * MINUTE) {
    if (all[i + 200]) return delete box[key];
    if (all[i + 50]) lose("age", queue.events.splice(0).length, queue);
    save(key, queue);
    mine.push(key);
  }
});

const adopt = async () => {
  // Pages over plain http have no locks. Two of them may claim a queue in the same instant: see ids.
  try { await navigator.locks.request(PREFIX, claim); } catch (_) { claim(); }
  soon();
};

// renew begins a page view. The queue of one that ended in the back/forward cache is adopted like any other.
const renew = () => {
  page = uuid();
  own = PREFIX + page;
  mine = [own];
  reported = 0;
  seq = held.length; // of a page view that may say nothing yet
  totals = {page, seen: seq, refused: 0, dropped: 0, errors: 0};
  adopt();
};

// leave sends what is new and lets go of every queue, so that the next page need not wait to adopt one.
const leave = () => {
  release(sum() > reported);
  if (!failures) flush([own]);
  mine.forEach((key) => {
    const queue = load(key);
    if (queue) save(key, queue, 0);
  });
};

const start = ({timeStamp}) => {
  // Nobody has seen a prerendered page, and perhaps nobody will.
  if (document.prerendering) return document.addEventListener("prerenderingchange", start);
  awake = timeStamp;
  renew();
  api.handleEvent = take;
  handlers.forEach((fn) => call(fn, api));
  const queue = api.queue || [];
  if (queue.n) lose("early", totals.seen = queue.n);
  queue.splice(0).forEach(take);
  addEventListener("message", api); // adds nothing where the inline script has done so
  addEventListener("pageshow", (event) => event.persisted && renew());
  addEventListener("pagehide", leave);
  addEventListener("visibilitychange", () => document.hidden && leave());
};

if (!api.version) { // a page injected twice still has one listener
  Object.assign(api, {
    events: seen,
    version: "1.0.0",

    on(type, fn) {
      listeners.push([type, fn]);
      seen.forEach((event) => tell(event, type, fn));
    },

    off(type, fn) {
      listeners = listeners.filter((l) => l[0] != type || l[1] != fn);
    },

    // What was held under a no stays unsent after a yes.
    consent(granted) {
      if (!granted || box.ctlive == 0) held.splice(0).forEach(() => lose("consent", 1));
      put("ctlive", granted ? "1" : "0");
      if (granted) {
        release();
        adopt();
      } else {
        waiting(load(own) || {events: []}).forEach(() => lose("consent", 1));
        queues().forEach((key) => delete box[key]);
        try { delete sessionStorage.ctlive; } catch (_) {}
      }
    },
  });

  api.on("*", (event) => document.dispatchEvent(new CustomEvent(PREFIX + event.type, {detail: event})));
  start({timeStamp: 0});
}
