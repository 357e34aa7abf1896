// The operator's page: the figures of a range, and the events as they arrive.
import * as api from "./api.js";
import {Choices, offer} from "./choices.js";
import {Distribution, Missed} from "./distribution.js";
import {byID, mark, say} from "./dom.js";
import {Doubtful, Rejected} from "./doubtful.js";
import {Explain} from "./explain.js";
import {clock, count, period, time} from "./format.js";
import {Funnel} from "./funnel.js";
import {Hours} from "./hours.js";
import {Injection} from "./injection.js";
import {Overview} from "./overview.js";
import {Clicks, Pages} from "./rankings.js";
import {compared, empty} from "./report.js";
import {Series} from "./series.js";
import {Servers} from "./servers.js";
import {Tail} from "./tail.js";
import {TYPES} from "./types.js";

const SOON = 2000; // ms from an event to the figures that count it
const IDLE = 10000; // ms from one reading to the next
const MANY = 1000; // events that wait to be counted: worth a word
const PATIENCE = 10; // readings of a large store take no more than a tenth of the time

const STATES = {connecting: "Connecting", live: "Live", reconnecting: "Reconnecting…"};

const series = new Series(type => chooseType(type));
const panels = [
	new Overview(), new Funnel(), new Clicks(), series, new Pages(), new Hours(),
	new Missed(), new Distribution("wait"), new Distribution("duration"),
	new Injection(), new Servers(), new Doubtful(), new Rejected(),
];
const tail = new Tail(kept => welcome({kept}));
const choices = new Choices(asked => choose(asked));
new Explain();

let type = "";
let stop = () => {};
let due = null;
let reading = null; // the AbortController of a reading under way
let rest = 0;
let read = null; // when figures were read last

// follow opens the live stream for what is asked.
function follow() {
	stop();
	const site = choices.asked.site;
	tail.reset(Boolean(site || type));
	stop = api.live({site, type}, {
		onrecord(record) {
			offer(byID("type"), record.type);
			tail.add(record);
			refreshIn(Math.max(SOON, rest));
		},
		onstate(state) {
			const line = byID("connection");
			if (line.dataset.state === state) return;
			line.dataset.state = state;
			line.textContent = STATES[state];
			if (state === "live") tail.settle();
		},
	});
}

// refreshIn reads the figures in ms, unless that is going to happen sooner.
function refreshIn(ms) {
	const at = performance.now() + ms;
	if (due && due.at <= at) return;
	clearTimeout(due?.timer);
	due = {at, timer: setTimeout(refresh, ms)};
}

async function refresh() {
	due = null;
	if (document.hidden) return; // read when somebody looks
	if (reading) return refreshIn(SOON);
	const mine = reading = new AbortController();
	const began = performance.now();
	const {asked} = choices;
	try {
		const report = await api.report(asked, mine.signal);
		if (asked === choices.asked) show(report, asked);
	} catch (error) {
		if (!mine.signal.aborted) fail(error);
	} finally {
		if (reading === mine) reading = null;
		rest = PATIENCE * (performance.now() - began);
		refreshIn(Math.max(IDLE, rest));
	}
}

function show(report, asked) {
	read = new Date();
	outdated(report.stale);
	share(report.shared);
	choices.shown = report;
	choices.offerSites(report.sites);
	say(byID("period"), [period(report.since, report.until),
		compared(report) ? "compared with the time before" : "",
		asked.flagged ? "with doubtful events" : "",
		report.behind > MANY ? count(report.behind) + " events still to be counted" : ""].filter(Boolean).join(", "));
	for (const panel of panels) panel.show(report, asked);
	welcome({empty: empty(report)});
	document.body.classList.remove("stale");
}

// outdated says that the figures have been as they are since a moment, unless that is 0 or none.
function outdated(since) {
	if (since) say(byID("failure-text"), "The database of events cannot be read. " + (since > 1
		? "The figures below are those of " + time(since) + "; they go on by themselves when it can." : "There are no figures yet."));
	byID("failure").hidden = !since;
}

// share leaves out what only an edge knows, where the figures are those of all edges.
function share(shared) {
	byID("edges").hidden = !shared;
	for (const id of ["servers", "rejected-input", "export-rejected", "first-explain"]) byID(id).hidden = Boolean(shared);
	byID("injection").classList.toggle("span8", !shared);
	byID("injection").classList.toggle("span12", Boolean(shared));
}

// fail says why there are no new figures; the old ones stay.
function fail(error) {
	const old = read ? " Those below were read at " + clock(read) + "." : "";
	say(byID("failure-text"), "The figures could not be read. " + error.message + "." + old);
	byID("failure").hidden = false;
	document.body.classList.remove("stale");
}

const known = {kept: null, empty: false};

// welcome shows a newcomer the first steps in place of empty charts.
function welcome(news) {
	Object.assign(known, news);
	const newcomer = known.empty && known.kept === 0 && !choices.asked.site && !type;
	byID("welcome").hidden = !newcomer;
	for (const id of ["visitors", "chats", "to-visitors", "to-chats"]) byID(id).hidden = newcomer;
	byID("nothing").hidden = !known.empty || newcomer || !known.kept;
}

// choose is called when another site or range is asked for.
function choose(asked) {
	const site = byID("tail").dataset.site ?? "";
	if (site !== asked.site) {
		byID("tail").dataset.site = asked.site;
		follow();
	}
	link(asked);
	reading?.abort();
	reading = null;
	document.body.classList.add("stale");
	clearTimeout(due?.timer);
	due = null;
	refreshIn(0);
}

function link(asked) {
	mark(byID("export-csv"), "href", api.exportURL("events", "csv", asked));
	mark(byID("export-ndjson"), "href", api.exportURL("events", "ndjson", asked));
	mark(byID("export-rejected"), "href", api.exportURL("rejected", "ndjson", asked));
}

function chooseType(chosen) {
	offer(byID("type"), chosen);
	type = byID("type").value = chosen;
	series.pick(type);
	follow();
}

byID("type").addEventListener("change", event => chooseType(event.target.value));
byID("retry").addEventListener("click", () => choose(choices.asked));
byID("clear").addEventListener("click", () => {
	byID("text").value = "";
	tail.search("");
	chooseType("");
	choices.choose({site: ""});
	byID("text").focus();
});
document.addEventListener("visibilitychange", () => refreshIn(0));

// The address keeps what is shown, so a link to a section only scrolls.
document.querySelector("nav").addEventListener("click", event => {
	const target = event.target.getAttribute("href")?.slice(1);
	if (!target) return;
	event.preventDefault();
	byID(target).scrollIntoView();
	byID(target).querySelector("h2").focus({preventScroll: true});
});

for (const name of TYPES) offer(byID("type"), name);
byID("tail").dataset.site = choices.asked.site;
follow();
choose(choices.asked);
