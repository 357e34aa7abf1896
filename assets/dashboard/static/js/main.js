// The operator's page: counts by type, and the events as they arrive.
import * as api from "./api.js";
import {byID, el} from "./dom.js";
import {Figures} from "./figures.js";
import {plain} from "./format.js";
import {Tail} from "./tail.js";
import {TYPES} from "./types.js";

const CALM = 1000; // ms at least between two readings of the figures
const IDLE = 60000; // ms at most: a range that ends now moves on by itself

const STATES = {connecting: "Connecting", live: "Live", reconnecting: "Reconnecting…"};

const asked = {site: "", type: "", since: byID("range").value};
const tail = new Tail();
const figures = new Figures(type => chooseType(type));

let stop = () => {};
let due = 0;
let reading = false;
let rest = CALM;

// follow opens the live stream for what is asked.
function follow() {
	stop();
	tail.reset(Boolean(asked.site || asked.type));
	stop = api.live(asked, {
		onrecord(record) {
			offer(byID("type"), record.type);
			tail.add(record);
			refreshIn(rest);
		},
		onstate(state) {
			const line = byID("connection");
			if (line.dataset.state === state) return;
			line.dataset.state = state;
			line.textContent = STATES[state];
			if (state === "live") {
				tail.settle();
				refreshIn(0);
			}
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
	due = 0;
	if (reading) return refreshIn(rest);
	reading = true;
	const began = performance.now();
	const {since, site} = asked;
	try {
		const answer = await api.stats(asked);
		if (since !== asked.since || site !== asked.site) return; // asked for something else meanwhile
		for (const {site} of answer.counts) offer(byID("site"), site);
		for (const {type} of answer.counts) offer(byID("type"), type);
		byID("site-choice").hidden = byID("site").options.length < 3;
		figures.show(answer);
	} catch (error) {
		figures.fail("The figures could not be read. " + error.message);
	} finally {
		reading = false;
		rest = Math.max(CALM, 10 * (performance.now() - began)); // a large store is not asked all the time
		refreshIn(IDLE);
	}
}

// offer adds value to the choices of select, up to a number that can still be read.
function offer(select, value) {
	if (select.options.length > 100 || [...select.options].some(option => option.value === value)) return;
	select.append(el("option", {value}, plain(value)));
}

function chooseType(type) {
	offer(byID("type"), type);
	asked.type = byID("type").value = type;
	figures.pick(type);
	follow();
}

byID("type").addEventListener("change", event => chooseType(event.target.value));
byID("site").addEventListener("change", event => {
	asked.site = event.target.value;
	follow();
	refreshIn(0);
});
byID("range").addEventListener("change", event => {
	asked.since = event.target.value;
	refreshIn(0);
});
byID("clear").addEventListener("click", () => {
	byID("text").value = "";
	tail.search("");
	asked.site = byID("site").value = "";
	chooseType("");
	byID("text").focus();
});

for (const type of TYPES) offer(byID("type"), type);
follow();
refreshIn(0);
