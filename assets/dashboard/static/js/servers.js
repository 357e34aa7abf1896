import {byID} from "./dom.js";
import {DAY, away, count, date, duration, plain} from "./format.js";
import {Table} from "./table.js";

const SOON = 14 * DAY; // a certificate that is not renewed by then deserves a look

const BEHIND = 60 * 1000; // ms; a sink that takes events is hardly ever so late

// Servers shows upstreams, certificates and sinks at a glance.
export class Servers {
	constructor() {
		this.upstreams = new Table(byID("upstreams"), [
			{title: "Server", kind: "head", text: row => plain(row.url), small: row => row.site === "*" ? "any host" : plain(row.site)},
			{title: "State", class: "state", text: row => row.up ? "up" : "down", tone: row => row.up ? "good" : "bad"},
		], {none: "No site has a server of its own yet: give it one with “to” in ctlive.yaml."});
		this.certificates = new Table(byID("certificates"), [
			{title: "Host", kind: "head", text: row => plain(row.host), small: row => plain(row.error) || (row.not_after ? "until " + date(row.not_after) : "")},
			{title: "State", class: "state", text: row => validity(row).text, tone: row => validity(row).tone},
		], {none: "No certificate: ctlive serves plain HTTP here. Set listen.https for TLS."});
		this.sinks = new Table(byID("sinks"), [
			{title: "Sink", kind: "head", text: row => plain(row.sink), small: trouble},
			{title: "State", class: "state", text: row => progress(row).text, tone: row => progress(row).tone},
		], {none: "Events stay in the store here. List sinks in collector.forward to have them elsewhere, too."});
	}

	show({upstreams, certificates, sinks}) {
		this.upstreams.show(upstreams);
		this.certificates.show(certificates);
		this.sinks.show(sinks);
	}
}

// progress says how a sink keeps up. One that fails now and then is not down.
function progress({lag, lost, error}) {
	const late = lag > BEHIND;
	if (error) return {text: "failing", tone: late || lost ? "bad" : "warn"};
	if (lost) return {text: "lost events", tone: "bad"};
	return late ? {text: "behind", tone: "warn"} : {text: "up to date", tone: "good"};
}

// trouble says what a sink has lost, how much waits for it since when, and why.
function trouble({backlog, lag, lost, error}) {
	const late = backlog && (error || lag > BEHIND);
	const waits = late ? events(backlog) + (backlog === 1 ? " waits, for " : " wait, the oldest for ") + duration(lag) : "";
	return [
		lost ? events(lost) + " grew too old and " + (lost === 1 ? "is" : "are") + " lost" : "",
		[waits, plain(error)].filter(Boolean).join(": "),
	].filter(Boolean).join("; ");
}

function events(n) {
	return count(n) + (n === 1 ? " event" : " events");
}

function validity({not_after: end, error}) {
	if (!end) return error ? {text: "none", tone: "bad"} : {text: "not yet", tone: "warn"};
	if (end < Date.now()) return {text: "expired", tone: "bad"};
	return {text: "ends " + away(end), tone: error || end < Date.now() + SOON ? "warn" : "good"};
}
