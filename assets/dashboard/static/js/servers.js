import {byID} from "./dom.js";
import {DAY, away, date, plain} from "./format.js";
import {Table} from "./table.js";

const SOON = 14 * DAY; // a certificate that is not renewed by then deserves a look

// Servers shows upstreams and certificates at a glance.
export class Servers {
	constructor() {
		this.upstreams = new Table(byID("upstreams"), [
			{title: "Server", kind: "head", text: row => plain(row.url), small: row => plain(row.site)},
			{title: "State", class: "state", text: row => row.up ? "up" : "down", tone: row => row.up ? "good" : "bad"},
		], {none: "No site has a server of its own yet: give it one with “to” in ctlive.yaml."});
		this.certificates = new Table(byID("certificates"), [
			{title: "Host", kind: "head", text: row => plain(row.host), small: row => plain(row.error) || (row.not_after ? "until " + date(row.not_after) : "")},
			{title: "State", class: "state", text: row => validity(row).text, tone: row => validity(row).tone},
		], {none: "No certificate: ctlive serves plain HTTP here. Set listen.https for TLS."});
	}

	show({upstreams, certificates}) {
		this.upstreams.show(upstreams);
		this.certificates.show(certificates);
	}
}

function validity({not_after: end, error}) {
	if (!end) return error ? {text: "none", tone: "bad"} : {text: "not yet", tone: "warn"};
	if (end < Date.now()) return {text: "expired", tone: "bad"};
	return {text: "ends " + away(end), tone: error || end < Date.now() + SOON ? "warn" : "good"};
}
