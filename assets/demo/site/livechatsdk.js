/*
 * A simulation of CTLive's livechatsdk.js for `ctlive demo`. It finds its own
 * tag as the real library does, shows a chat button, and posts the eight
 * CTLiveEvent messages as a visitor walks through a chat with an invented agent.
 * It sends no request: what a visitor types stays in this tab.
 *
 * A page view posts Loaded and WidgetShown; then, as the visitor goes on,
 * WidgetClicked, DatacollectionStarted, ChatStarted, ChatOnline, ChatFinished and
 * WidgetHidden. A running chat continues on the next page, which repeats ChatOnline.
 * ChatOnline is posted as a JSON string, the others as objects: both occur.
 *
 * For tests. The host is #ctlive-demo; its shadow root is open. On the host:
 *   data-view  menu | form | noted | waiting | online | ended | hidden
 *   data-open  true | false: whether the panel is unfolded
 * In the shadow root, each present while it can be used:
 *   #ctlive-demo-open      the button that unfolds the panel
 *   #ctlive-demo-dismiss   beside it: hides the chat (WidgetHidden)
 *   #ctlive-demo-panel     the dialog; #ctlive-demo-minimise folds it, as Escape does
 *   [data-choice="Chat"]   and CallbackNow, CallbackLater, ClickToCall
 *   #ctlive-demo-form      with #ctlive-demo-name, -phone, -time, -submit and -back
 *   #ctlive-demo-status    what is going on, in words
 *   #ctlive-demo-log       the conversation; #ctlive-demo-message and -send
 *   #ctlive-demo-end       ends the chat (ChatFinished)
 *   #ctlive-demo-again     back to the choices; #ctlive-demo-hide hides the chat
 *   #ctlive-demo-revive    brings a hidden chat back (WidgetShown)
 */
(() => {
"use strict";

const tag = document.querySelector('script[src*="livechatsdk.js"]');
if (!tag || tag.dataset.started) return; // injected twice
tag.dataset.started = "true";

const ANSWER_AFTER = 1500; // ms from ChatStarted to ChatOnline
const REPLY_AFTER = 1100; // ms from a visitor's message to the answer
const AGENT = {id: "agent-giulia", name: "Giulia"};

// ---- Messages

const userID = remembered();
const widget = {elementID: "ctlive-demo", widgetID: "demo-widget-1", userID};

function post(type, object) {
	const message = {name: "CTLiveEvent", type, object};
	window.postMessage(type === "ChatOnline" ? JSON.stringify(message) : message, location.origin);
}

// remembered returns the visitor's id, the same on every visit where the browser stores it.
function remembered() {
	const key = "ctlive-demo-user";
	try {
		const known = localStorage.getItem(key);
		if (known) return known;
		const id = newID("user");
		localStorage.setItem(key, id);
		return id;
	} catch {
		return newID("user");
	}
}

// newID avoids crypto.randomUUID, which plain http on another machine does not have.
function newID(prefix) {
	const bytes = crypto.getRandomValues(new Uint8Array(6));
	return prefix + "-" + Array.from(bytes, b => b.toString(16).padStart(2, "0")).join("");
}

// ---- State: kept in the tab, so that a chat survives a change of page

const KEY = "ctlive-demo-state";
const START = {view: "menu", open: false, kind: "", chatID: "", startedAt: 0, name: "", log: []};
let state = stored();

// stored returns what continues on this page: a chat, or having been hidden.
function stored() {
	try {
		const saved = JSON.parse(sessionStorage.getItem(KEY));
		if (["waiting", "online", "hidden"].includes(saved.view)) return {...START, ...saved};
	} catch {}
	return {...START, log: []};
}

function change(changes) {
	Object.assign(state, changes);
	save();
	render();
}

function save() {
	try {
		sessionStorage.setItem(KEY, JSON.stringify(state));
	} catch {}
}

// ---- The walk: what the visitor does, and what the widget reports

let timer = 0; // of the agent, who does one thing at a time

function choose(kind) {
	post("WidgetClicked", {...widget, type: kind});
	change({view: "form", kind});
	post("DatacollectionStarted", {type: kind, ...widget});
}

function submit(name) {
	if (state.kind !== "Chat") {
		change({view: "noted", name});
		return;
	}
	change({view: "waiting", name, chatID: newID("chat"), startedAt: Date.now(), log: []});
	post("ChatStarted", {chatID: state.chatID, userID});
	expectAgent();
}

function expectAgent() {
	const waited = Math.max(0, Date.now() - state.startedAt); // the clock may have gone back
	timer = setTimeout(() => {
		change({view: "online"});
		online();
		say("agent", "Ciao " + state.name + ", this is Giulia, or rather a script in her apron. Ask me about hours, prices or your bicycle.");
	}, Math.max(0, ANSWER_AFTER - waited));
}

function online() {
	post("ChatOnline", {chatID: state.chatID, users: [userID, AGENT.id]});
}

function say(from, text) {
	state.log = [...state.log, {from, text}].slice(-100);
	save();
	const log = find("log");
	if (!log) return;
	log.append(bubble({from, text}));
	log.scrollTop = log.scrollHeight;
}

function ask(text) {
	say("visitor", text);
	expectReply();
}

function expectReply() {
	clearTimeout(timer);
	status(AGENT.name + " is typing…");
	timer = setTimeout(() => {
		say("agent", reply(state.log.at(-1).text));
		status("");
	}, REPLY_AFTER);
}

function reply(text) {
	const known = [
		[/hour|open|clos|when|today|tomorrow|saturday|sunday/i, "Tuesday to Friday from 8 to 12:30 and 15 to 19, Saturdays until 13. On Sundays we ride."],
		[/price|cost|much|euro|expensive/i, "A puncture is 9 euro, the long service 140. The whole list is under Prices, and we always ask before it gets more."],
		[/flat|puncture|tyre|tire|tube/i, "Bring it in, that is done before your coffee is cold."],
		[/wheel|spoke|rim/i, "A hand-laced wheel takes an afternoon. Truing an old one is 18 euro."],
		[/repair|ticket|ready|status/i, "Your Account page shows how far each job is. The chat comes with you when you go there."],
		[/human|real|robot|bot|simulat/i, "I am a simulation. There is no person here, and no workshop either, sadly."],
		[/thank|grazie|bye|ciao/i, "With pleasure. Mind the tram rails."],
	];
	const match = known.find(([pattern]) => pattern.test(text));
	return match ? match[1] : "I would look at that on the stand before I promise anything. Come by, the first look is free.";
}

function finish() {
	clearTimeout(timer);
	post("ChatFinished", {chatID: state.chatID, userID, isSurveyConfigured: false});
	change({view: "ended"});
}

function hide() {
	if (state.view === "waiting" || state.view === "online") finish();
	change({...START, log: [], view: "hidden"});
	post("WidgetHidden", widget);
}

function revive() {
	change({view: "menu", open: true});
	post("WidgetShown", widget);
}

function toggle(open) {
	change({open});
	if (!open) find("open").focus();
}

// resume goes on with the chat that another page began.
function resume() {
	clearTimeout(timer);
	if (state.view === "waiting") expectAgent();
	if (state.view === "online" && state.log.at(-1)?.from === "visitor") expectReply();
}

// ---- Elements. Only text nodes are made from text: nothing typed becomes markup.

const host = el("div", {id: "ctlive-demo"});
const root = host.attachShadow({mode: "open"});

function el(name, attributes = {}, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
		else element.setAttribute(key, value);
	}
	element.append(...children);
	return element;
}

function button(id, label, onclick, attributes = {}) {
	return el("button", {type: "button", id: "ctlive-demo-" + id, onclick, ...attributes}, label);
}

function icon(path) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("aria-hidden", "true");
	const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
	line.setAttribute("d", path);
	svg.append(line);
	return svg;
}

function find(id) {
	return root.getElementById("ctlive-demo-" + id);
}

function status(text) {
	const line = find("status");
	if (line) line.textContent = text;
}

const SPEECH = "M4 5h16v11h-9l-5 4v-4H4z";
const PHONE = "M6 3h3l2 5-2.5 2a12 12 0 0 0 5.5 5.5L16 13l5 2v3c0 2-1 3-3 3A15 15 0 0 1 3 6c0-2 1-3 3-3z";
const CLOCK = "M12 3a9 9 0 1 0 .01 0M12 7v5l3.5 2";
const HEADSET = "M4 15v-3a8 8 0 0 1 16 0v3M4 14h3v6H4zM17 14h3v6h-3zM20 20l-5 2";

const CHOICES = {
	Chat: {icon: SPEECH, label: "Chat now", hint: "Answered in a second or two", submit: "Start the chat"},
	CallbackNow: {icon: PHONE, label: "Call me back now", hint: "On the number you leave", submit: "Ask for the call"},
	CallbackLater: {icon: CLOCK, label: "Call me back later", hint: "When it suits you", submit: "Book the call"},
	ClickToCall: {icon: HEADSET, label: "Call from this browser", hint: "No phone needed", submit: "Call now"},
};

// views build the inside of the panel, one for each value of state.view.
const views = {
	menu: () => [
		el("p", {}, "Buongiorno! How would you like to reach us?"),
		el("div", {class: "choices"}, ...Object.entries(CHOICES).map(([kind, choice]) =>
			el("button", {type: "button", "data-choice": kind, onclick: () => choose(kind), ...(kind === "Chat" && {"data-focus": ""})},
				icon(choice.icon), el("span", {}, el("b", {}, choice.label), el("small", {}, choice.hint))))),
	],

	form: () => {
		const name = el("input", {id: "ctlive-demo-name", autocomplete: "given-name", required: "", maxlength: "40", "data-focus": ""});
		const fields = [el("label", {for: name.id}, "Your name"), name];
		if (state.kind.startsWith("Callback")) {
			fields.push(el("label", {for: "ctlive-demo-phone"}, "Phone number"),
				el("input", {id: "ctlive-demo-phone", type: "tel", autocomplete: "off", required: "", maxlength: "30"}));
		}
		if (state.kind === "CallbackLater") {
			fields.push(el("label", {for: "ctlive-demo-time"}, "When"),
				el("select", {id: "ctlive-demo-time"}, ...["This afternoon", "Tomorrow morning", "On Saturday"].map(t => el("option", {}, t))));
		}
		const onsubmit = event => {
			event.preventDefault();
			submit(name.value.trim() || "there");
		};
		return [
			el("h3", {}, CHOICES[state.kind].label),
			el("form", {id: "ctlive-demo-form", onsubmit}, ...fields,
				el("button", {id: "ctlive-demo-submit", class: "primary"}, CHOICES[state.kind].submit),
				button("back", "Back", () => change({view: "menu"}), {class: "quiet"})),
			el("p", {class: "fine"}, "Any name will do. It stays in this browser tab."),
		];
	},

	noted: () => [
		statusLine("Noted, " + state.name + ". A real workshop would ring you now; this one is a simulation, so nobody will."),
		button("again", "Back to the choices", () => change({view: "menu"}), {class: "primary"}),
	],

	waiting: () => [
		el("div", {class: "waiting"}, el("span", {class: "dots", "aria-hidden": "true"}, el("i"), el("i"), el("i")),
			statusLine("Looking for somebody to put down a spanner…")),
		button("end", "Leave the queue", finish, {class: "quiet"}),
	],

	online: () => {
		const message = el("input", {id: "ctlive-demo-message", autocomplete: "off", maxlength: "500",
			"aria-label": "Message", placeholder: "Write a message", "data-focus": ""});
		const onsubmit = event => {
			event.preventDefault();
			const text = message.value.trim();
			message.value = "";
			if (text) ask(text);
		};
		return [
			el("div", {class: "with"}, el("span", {class: "face", "aria-hidden": "true"}, AGENT.name[0]),
				el("b", {}, AGENT.name), el("span", {class: "badge"}, "Simulated agent"),
				button("end", "End chat", finish, {class: "quiet"})),
			el("div", {id: "ctlive-demo-log", role: "log", "aria-label": "Conversation", tabindex: "0"}, ...state.log.map(bubble)),
			el("p", {id: "ctlive-demo-status", class: "fine", role: "status"}),
			el("form", {class: "compose", onsubmit}, message,
				el("button", {id: "ctlive-demo-send", class: "primary"}, "Send")),
		];
	},

	ended: () => [
		statusLine("The chat has ended. Thank you" + (state.name ? ", " + state.name : "") + "."),
		button("again", "Start again", () => change({...START, log: [], open: true}), {class: "primary"}),
		button("hide", "Hide the chat", hide, {class: "quiet"}),
	],

	hidden: () => [],
};

function statusLine(text) {
	return el("p", {id: "ctlive-demo-status", role: "status", tabindex: "-1", "data-focus": ""}, text);
}

function bubble({from, text}) {
	const author = from === "agent" ? AGENT.name + ", simulated agent" : "You";
	return el("p", {class: "bubble " + from}, el("span", {class: "unseen"}, author + ": "), text);
}

function onkeydown(event) {
	if (event.key === "Escape") toggle(false);
}

// render rebuilds the widget from the state. Focus follows into the panel only
// when it was in the widget before: a chat that goes online steals nothing.
function render() {
	const focused = root.activeElement !== null;
	const unfolds = state.open && !find("panel");
	host.dataset.view = state.view;
	host.dataset.open = state.open;
	root.replaceChildren(state.view === "hidden" ? revival() : state.open ? panel() : launcher());
	if (unfolds) find("panel")?.classList.add("unfolds");
	const log = find("log");
	if (log) log.scrollTop = log.scrollHeight;
	if (focused) (root.querySelector("[data-focus]") ?? root.querySelector("button"))?.focus();
}

function launcher() {
	const busy = state.view === "waiting" || state.view === "online";
	return el("div", {class: "launcher"},
		el("button", {type: "button", id: "ctlive-demo-open", class: "primary", "aria-haspopup": "dialog", onclick: () => toggle(true)},
			icon(SPEECH), busy ? "Back to the chat" : "Ask the workshop"),
		button("dismiss", "×", hide, {"aria-label": "Hide the chat"}));
}

function panel() {
	return el("section", {id: "ctlive-demo-panel", role: "dialog", "aria-labelledby": "ctlive-demo-title", onkeydown},
		el("div", {class: "head"}, el("div", {}, el("h2", {id: "ctlive-demo-title"}, "Ask the workshop"),
			el("p", {}, "A simulation. No person reads this.")),
			button("minimise", "–", () => toggle(false), {"aria-label": "Minimise the chat"})),
		el("div", {class: "body"}, ...views[state.view]()));
}

function revival() {
	return button("revive", "Show the chat", revive, {class: "quiet revive"});
}

// A constructed sheet works under a strict style-src, which governs style elements and attributes.
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host {
	all: initial; color-scheme: inherit; position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483000; display: block;
	--surface: light-dark(#fffdf8, #242c33); --ink: light-dark(#26313a, #ece5d8); --muted: light-dark(#5a636b, #aab1b3);
	--line: light-dark(#e0d6c5, #3b464e); --head: light-dark(#26313a, #11161a); --accent: light-dark(#a03d24, #f2977a);
	--on-accent: light-dark(#fffaf1, #1a2025); --agent: light-dark(#f1e8d9, #303a42); --visitor: light-dark(#dcebec, #1f4854);
	--focus: light-dark(#245f6d, #8cc5cf);
	font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; color: var(--ink);
}
* { box-sizing: border-box; }
h2, h3, p { margin: 0; }
h3 { font-size: 1rem; }
.body > p { text-wrap: balance; }
::placeholder { color: var(--muted); opacity: 1; }
button, input, select { font: inherit; color: inherit; }
button { cursor: pointer; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
svg { width: 1.375rem; height: 1.375rem; flex: none; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.primary { background: var(--accent); color: var(--on-accent); border: 1px solid transparent; border-radius: 999px; font-weight: 600; padding: .65rem 1.2rem; }
.quiet { background: none; color: var(--muted); border: 1px solid var(--line); border-radius: 999px; padding: .5rem 1rem; }
.quiet:hover { color: var(--ink); border-color: currentColor; }
.fine { font-size: .8125rem; color: var(--muted); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.launcher { display: flex; align-items: center; gap: .4rem; }
#ctlive-demo-open { display: flex; align-items: center; gap: .6rem; padding: .8rem 1.3rem .8rem 1.1rem; box-shadow: 0 6px 20px rgb(20 16 10 / .25); }
#ctlive-demo-dismiss { width: 2rem; height: 2rem; padding: 0; border-radius: 50%; border: 1px solid var(--line); background: var(--surface); color: var(--muted); line-height: 1; font-size: 1.2rem; }
.revive { background: var(--surface); font-size: .875rem; }
#ctlive-demo-panel { display: flex; flex-direction: column; width: 23rem; max-height: min(38rem, calc(100dvh - 2rem)); background: var(--surface);
	border: 1px solid var(--line); border-radius: 1rem; overflow: hidden; box-shadow: 0 12px 40px rgb(20 16 10 / .28); }
.head { display: flex; justify-content: space-between; align-items: start; gap: 1rem; padding: .9rem .75rem .9rem 1.25rem; background: var(--head); color: #f7f1e6; }
.head h2 { font: 600 1.125rem/1.3 "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
.head p { font-size: .8125rem; color: #cfc8ba; }
.head button { width: 2.25rem; height: 2.25rem; border: 0; border-radius: 50%; background: none; font-size: 1.25rem; line-height: 1; }
.head button:hover { background: rgb(255 255 255 / .12); }
.head :focus-visible { outline-color: #8cc5cf; }
.body { display: flex; flex-direction: column; gap: .8rem; padding: 1.1rem 1.25rem 1.25rem; min-height: 0; overflow-y: auto; }
.choices { display: grid; }
.choices button { display: flex; align-items: center; gap: 1rem; text-align: left; padding: .7rem .5rem; background: none; border: 0; border-top: 1px solid var(--line); }
.choices button:hover { background: var(--agent); }
.choices svg { color: var(--accent); }
.choices b, .choices small { display: block; font-weight: 600; }
.choices small { font-weight: 400; font-size: .8125rem; color: var(--muted); }
form { display: grid; gap: .4rem; }
label { font-size: .875rem; color: var(--muted); }
input, select { width: 100%; padding: .6rem .75rem; border: 1px solid light-dark(#9b917f, #6b767d); border-radius: .6rem; background: light-dark(#fff, #1a2025); }
label ~ label, form .primary { margin-top: .4rem; }
.waiting { display: flex; align-items: center; gap: 1rem; padding: .75rem 0; }
.dots { display: flex; gap: .3rem; }
.dots i { width: .5rem; height: .5rem; border-radius: 50%; background: var(--accent); }
.with { display: flex; align-items: center; gap: .5rem; }
.face { display: grid; place-items: center; width: 2.25rem; height: 2.25rem; border-radius: 50%; background: var(--accent); color: var(--on-accent); font-weight: 600; }
.badge { font-size: .75rem; color: var(--muted); border: 1px dashed currentColor; border-radius: 999px; padding: .05rem .5rem; white-space: nowrap; }
.with button { margin-left: auto; padding: .3rem .75rem; font-size: .875rem; white-space: nowrap; }
#ctlive-demo-log { display: flex; flex-direction: column; gap: .5rem; height: 15rem; overflow-y: auto; padding: .1rem; }
.bubble { position: relative; max-width: 85%; padding: .55rem .8rem; border-radius: .9rem; overflow-wrap: anywhere; font-size: .9375rem; }
.bubble.agent { align-self: start; background: var(--agent); border-bottom-left-radius: .2rem; }
.bubble.visitor { align-self: end; background: var(--visitor); border-bottom-right-radius: .2rem; }
#ctlive-demo-status:focus { outline: none; }
#ctlive-demo-status.fine { min-height: 1.2rem; }
.compose { grid-template-columns: 1fr auto; align-items: center; }
.compose .primary { margin: 0; }
@media (max-width: 30rem) {
	:host([data-open="true"]) { right: 0; left: 0; bottom: 0; }
	#ctlive-demo-panel { width: 100%; max-height: 88dvh; border-radius: 1rem 1rem 0 0; border-width: 1px 0 0; }
}
@media (prefers-reduced-motion: no-preference) {
	.unfolds { animation: rise .18s ease-out; }
	.dots i { animation: wait 1.2s infinite; }
	.dots i:nth-child(2) { animation-delay: .2s; }
	.dots i:nth-child(3) { animation-delay: .4s; }
	@keyframes rise { from { opacity: 0; transform: translateY(.75rem); } }
	@keyframes wait { 0%, 60%, 100% { opacity: .3; } 30% { opacity: 1; } }
}
`);
root.adoptedStyleSheets = [sheet];

// ---- Start

post("Loaded", widget);
whenBody(() => {
	render();
	document.body.append(host);
	if (state.view !== "hidden") post("WidgetShown", widget);
	if (state.view === "online") online();
	resume();
});

// A page that comes back from the browser's cache shows a state of long ago.
addEventListener("pageshow", event => {
	if (!event.persisted) return;
	state = stored();
	render();
	resume();
});

// whenBody does not wait for the whole page: a page may be streamed for a long time.
function whenBody(then) {
	if (document.body) return then();
	new MutationObserver((_, observer) => {
		if (!document.body) return;
		observer.disconnect();
		then();
	}).observe(document.documentElement, {childList: true});
}
})();
