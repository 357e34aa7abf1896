import * as api from "./api.js";
import {byID, el, say} from "./dom.js";
import {count, plain, time} from "./format.js";
import {Table} from "./table.js";

const FLAGS = {
	untrusted: "the page had no valid token",
	bot: "a robot’s browser",
	prerender: "the page was prepared, but not shown",
	skew: "the visitor’s clock was wrong: the time is corrected",
	unknown_type: "a type that the vendor’s list does not have",
	bad_field: "a field of the wrong kind: kept as it is",
};

const LOSSES = {
	refused: "not believed by the listener",
	dropped: "given up in the page",
	dropped_age: "the visitor never came back to send it",
	dropped_consent: "the visitor did not consent",
	dropped_data: "the widget’s message made no sense",
	dropped_denied: "refused by ctlive, and not sent again",
	dropped_early: "before the listener ran: more than it can hold",
	dropped_full: "the page could not send, and ran out of room",
	dropped_rate: "too many messages at once",
	duplicate: "sent again, and known already",
	rate: "more than one visitor may send",
	store: "the store took nothing at the moment",
	gpc: "the visitor’s browser asks not to be tracked",
	cross_site: "not from a page of the site",
	method: "not sent with POST",
	bad_json: "no JSON",
	bad_utf8: "no UTF-8",
	bad_gzip: "broken compression",
	incomplete_body: "ended early",
	not_a_batch: "no events",
	not_an_event: "no event",
	version: "a newer format",
	too_large: "too large",
	too_many_events: "too many events at once",
	too_deep: "nested too deeply",
	content_type: "labelled neither text nor JSON",
	content_encoding: "an unknown compression",
	bad_id: "no usable id",
	bad_type: "no usable type",
	duplicate_key: "a member name comes twice",
};

const NO_LOSS = "Nothing was rejected or lost in this range.";
const NO_LOSS_OF_EDGES = "Nothing was lost in the pages in this range. What ctlive rejected is on each edge’s own dashboard.";

// Doubtful shows what was lost and what is stored but may be no visitor's.
export class Doubtful {
	constructor() {
		this.losses = new Table(byID("losses"), [
			{title: "Reason", kind: "head", text: row => plain(row.reason), small: row => LOSSES[row.reason] ?? ""},
			{title: "Where", text: row => row.where === "page" ? "in the page" : "by ctlive"},
			{title: "Number", kind: "number", text: row => count(row.n)},
		], {none: NO_LOSS});
		this.flags = new Table(byID("flags"), [
			{title: "Flag", kind: "head", text: row => row.name, small: row => FLAGS[row.name] ?? ""},
			{title: "Counted", text: row => row.counted ? "yes" : "no"},
			{title: "Events", kind: "number", text: row => count(row.n)},
		], {none: "No event is doubtful in this range."});
	}

	show({losses, flagged, shared}, asked) {
		this.losses.show([...losses].sort((a, b) => b.n - a.n), shared ? NO_LOSS_OF_EDGES : NO_LOSS);
		const left = name => ["untrusted", "bot", "prerender"].includes(name) && !asked.flagged;
		this.flags.show(Object.entries(flagged).filter(([, n]) => n).map(([name, n]) => ({name: plain(name), n, counted: !left(name)})));
	}
}

const SHOWN = 20;

// Rejected lists the newest rejected input, as long as it is open.
export class Rejected {
	constructor() {
		this.details = byID("rejected-input");
		this.asked = null;
		this.details.addEventListener("toggle", () => this.read());
	}

	show(report, asked) {
		this.asked = asked;
		this.read();
	}

	async read() {
		const {asked} = this;
		if (!this.details.open || !asked) return;
		try {
			const {rejected} = await api.rejected(asked, SHOWN);
			if (asked === this.asked) this.draw(rejected);
		} catch (error) {
			say(byID("rejected-note"), "The rejected input could not be read. " + error.message);
		}
	}

	// draw leaves the items that are there as they are: one of them may be open.
	draw(inputs) {
		const list = byID("rejected");
		const known = new Map([...list.children].map(item => [item.dataset.row, item]));
		list.replaceChildren(...inputs.map(input => known.get(String(input.row)) ?? item(input)));
		say(byID("rejected-note"), inputs.length ? "The newest first." : "Nothing in this range. What cannot be read as events is kept here for you to look at.");
	}
}

function item(input) {
	const details = el("details", {ontoggle() {
		if (details.open && details.lastChild === summary) details.append(...content(input));
	}});
	const summary = el("summary", {},
		el("time", {datetime: input.received_at}, time(input.received_at)),
		el("b", {}, plain(input.reason)),
		el("span", {class: "where"}, plain(input.message)),
		el("small", {}, count(input.length) + " bytes"));
	details.append(summary);
	return el("li", {"data-row": input.row}, details);
}

function content(input) {
	const facts = [["Site", input.site], ["Address", input.client], ["Content-Type", input.content_type],
		["Content-Encoding", input.content_encoding], ["SHA-256", input.sha256]].filter(([, value]) => value);
	const bytes = Uint8Array.from(atob(input.raw ?? ""), char => char.charCodeAt(0));
	return [
		el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, plain(value))])),
		bytes.length ? el("pre", {tabindex: "0", "aria-label": "As it came"}, text(bytes)) : el("p", {class: "note"}, "The input itself is not kept."),
	];
}

// text shows bytes as text if they are UTF-8, and else the first of them in hexadecimal.
function text(bytes) {
	try {
		return plain(new TextDecoder("utf-8", {fatal: true}).decode(bytes));
	} catch {
		return hex(bytes.subarray(0, 2048));
	}
}

function hex(bytes) {
	const lines = [];
	for (let at = 0; at < bytes.length; at += 16) {
		const line = [...bytes.subarray(at, at + 16)];
		lines.push(at.toString(16).padStart(4, "0") + "  " + line.map(b => b.toString(16).padStart(2, "0")).join(" ").padEnd(47)
			+ "  " + line.map(b => b > 31 && b < 127 ? String.fromCharCode(b) : ".").join(""));
	}
	return lines.join("\n");
}
