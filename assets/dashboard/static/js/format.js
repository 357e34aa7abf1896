const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const date = new Intl.DateTimeFormat(undefined, {dateStyle: "short"});
const number = new Intl.NumberFormat();

// plain returns what a stranger wrote as text that shows what it holds: control
// characters and those that turn the direction of their neighbours are replaced.
export function plain(value) {
	const text = value === undefined || value === null ? "" : String(value);
	return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

export function count(n) {
	return number.format(n);
}

// time shows a moment in the reader's own time zone, with its day unless that is today.
export function time(iso) {
	const moment = new Date(iso);
	if (isNaN(moment)) return plain(iso);
	const day = date.format(moment);
	return (day === date.format(new Date()) ? "" : day + " ") + clock.format(moment);
}

// address returns host and path of a URL, for reading only: no event becomes a link.
export function address(url) {
	try {
		const {host, pathname} = new URL(url);
		return {host, path: pathname};
	} catch {
		return {host: "", path: plain(url)};
	}
}

// hue spreads texts over the colour circle, the same text always to the same place.
export function hue(text) {
	let hash = 2166136261;
	for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
	return (hash >>> 0) % 360;
}
