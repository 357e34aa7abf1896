// What the page shows is in the fragment of its address, so that a view can be
// shared: #range=7d&site=shop.test. Nothing of it reaches a server by itself.

// RANGES are the presets: what /api/report is told, and how far that goes back.
const RANGES = {"1h": "1h", "24h": "24h", "7d": "7d", "30d": "30d", "12mo": "365d"};

const DEFAULT = "24h";

// read returns {range, site, since, until, flagged} of the address; since and until
// are as /api/report takes them, until "" stands for now.
export function read() {
	const given = new URLSearchParams(location.hash.slice(1));
	const site = given.get("site") ?? "";
	const flagged = given.get("flagged") === "1";
	const since = given.get("since") ?? "", until = given.get("until") ?? "";
	if (given.get("range") === "custom" && Date.parse(since) < Date.parse(until)) return {range: "custom", site, since, until, flagged};
	const range = Object.hasOwn(RANGES, given.get("range")) ? given.get("range") : DEFAULT;
	return {range, site, since: RANGES[range], until: "", flagged};
}

// write puts state into the address; the browser's back button leads to the one before.
export function write({range, site, since, until, flagged}) {
	const given = Object.entries({
		range: range === DEFAULT ? "" : range, site,
		since: range === "custom" ? since : "", until: range === "custom" ? until : "", flagged: flagged ? "1" : "",
	}).filter(([, value]) => value);
	const hash = given.length ? "#" + new URLSearchParams(given) : "";
	if (hash !== location.hash) history.pushState(null, "", location.pathname + hash);
}

export function same(a, b) {
	return JSON.stringify(a) === JSON.stringify(b);
}
