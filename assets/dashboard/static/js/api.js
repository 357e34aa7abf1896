const FIRST_RETRY = 2000; // ms, doubled up to
const LAST_RETRY = 30000;

// stats returns {counts: [{site, type, events}], losses: [{site, reason, count}]}.
// since is a length of time such as "24h"; empty values ask for everything.
export async function stats({since, site}) {
	const response = await fetch("/api/stats" + search({since, site}), {headers: {Accept: "application/json"}});
	if (!response.ok) throw new Error("/api/stats answered " + response.status + ": " + (await reason(response)));
	const {counts, losses} = await response.json();
	return {counts: counts ?? [], losses: losses ?? []};
}

async function reason(response) {
	const text = await response.text();
	const {message} = parse(text) ?? {};
	return String(message ?? text).slice(0, 300) || response.statusText;
}

// live calls onrecord for the latest stored events and then for each as it lands,
// and onstate with "connecting", "live" or "reconnecting". It returns a function
// that ends it. After a broken connection the browser itself goes on where it
// was; only when it has given up, we begin anew, and onrecord sees events again.
export function live({site, type}, {onrecord, onstate}) {
	const last = site || type ? 1000 : 200; // the server filters after having counted
	let source, timer;
	let retry = FIRST_RETRY;

	function open() {
		source = new EventSource("/api/live" + search({site, type, last}));
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
