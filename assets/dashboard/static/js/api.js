const FIRST_RETRY = 2000; // ms, doubled up to
const LAST_RETRY = 30000;

// report returns the figures for what is asked: {site, since, until, flagged}.
export function report({site, since, until, flagged}, signal) {
	const tz = new Intl.DateTimeFormat().resolvedOptions().timeZone;
	return read("/api/report" + search({site, since, until, tz, compare: "1", flagged: flagged ? "1" : ""}), signal);
}

// rejected returns up to limit rejected inputs, the newest first, and whether there are more.
export function rejected({site, since, until}, limit) {
	return read("/api/rejected" + search({site, since, until, limit, order: "newest"}));
}

// explain returns {findings: [{topic, text}], error}.
export function explain(url) {
	return read("/api/explain" + search({url}));
}

// exportURL is where what is asked can be downloaded.
export function exportURL(what, format, {site, since, until}) {
	return "/api/" + what + search({site, since, until, format});
}

async function read(url, signal) {
	const response = await fetch(url, {headers: {Accept: "application/json"}, signal});
	if (!response.ok) throw new Error(url.split("?")[0] + " answered " + response.status + ": " + (await reason(response)));
	return response.json();
}

async function reason(response) {
	const text = await response.text();
	const {message, error} = parse(text) ?? {};
	return String(message ?? error ?? text).trim().slice(0, 300) || response.statusText;
}

// live calls onrecord for the latest stored events and then for each as it lands,
// but for those in between where more come than anybody can read,
// and onstate with "connecting", "live" or "reconnecting". It returns a function
// that ends it. After a broken connection the browser itself goes on where it
// was; only when it has given up, we begin anew, and onrecord sees events again.
export function live({site, type}, {onrecord, onstate}) {
	const last = site || type ? 1000 : 200; // the server filters after having counted
	let source, timer;
	let retry = FIRST_RETRY;

	function open() {
		source = new EventSource("/api/live" + search({site, type, last, latest: last}));
		source.onopen = () => {
			retry = FIRST_RETRY;
			onstate("live");
		};
		source.onerror = () => {
			onstate("reconnecting");
			if (source.readyState !== EventSource.CLOSED) return;
			timer = setTimeout(open, retry);
			retry = Math.min(2 * retry, LAST_RETRY);
		};
		source.onmessage = ({data}) => {
			const record = parse(data);
			if (record) onrecord(record);
		};
	}

	onstate("connecting");
	open();
	return () => {
		clearTimeout(timer);
		source.close();
	};
}

function parse(data) {
	try {
		return JSON.parse(data);
	} catch {
		return null;
	}
}

function search(parameters) {
	const given = Object.entries(parameters).filter(([, value]) => value);
	return given.length ? "?" + new URLSearchParams(given) : "";
}
