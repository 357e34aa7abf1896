const number = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, {notation: "compact", maximumSignificantDigits: 3});
const whole = new Intl.NumberFormat(undefined, {style: "percent", maximumFractionDigits: 0});
const fine = new Intl.NumberFormat(undefined, {style: "percent", maximumSignificantDigits: 2});
const signed = new Intl.NumberFormat(undefined, {style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero"});
const seconds = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const minutes = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
const shortDate = new Intl.DateTimeFormat(undefined, {dateStyle: "short"});
const dayMonth = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short"});
const monthYear = new Intl.DateTimeFormat(undefined, {month: "short", year: "numeric"});
const month = new Intl.DateTimeFormat(undefined, {month: "short"});
const dateTime = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
const fullDate = new Intl.DateTimeFormat(undefined, {dateStyle: "medium"});
const relative = new Intl.RelativeTimeFormat(undefined, {numeric: "always"});
const weekday = {long: new Intl.DateTimeFormat(undefined, {weekday: "long"}), short: new Intl.DateTimeFormat(undefined, {weekday: "short"})};

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

// plain returns what a stranger wrote as text that shows what it holds: control
// characters and those that turn the direction of their neighbours are replaced.
export function plain(value) {
	const text = value === undefined || value === null ? "" : String(value);
	return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

export function count(n) {
	return number.format(n);
}

export function compact(n) {
	return n < 10000 ? number.format(n) : short.format(n);
}

// big shows what stands in large type: shortened where every digit would be too much.
export function big(n) {
	return n < 1e6 ? number.format(n) : short.format(n);
}

// share shows n of all in percent, "" of nothing.
export function share(n, all) {
	if (!all) return "";
	const part = n / all;
	return (part > 0 && part < 0.01 || part > 0.99 && part < 1 ? atLeast(part) : whole.format(part));
}

function atLeast(part) {
	return part < 0.01 ? fine.format(part) : fine.format(Math.floor(part * 1000) / 1000);
}

// change shows how now compares with before: "" where there is nothing to compare.
export function change(now, before) {
	if (!before) return "";
	const ratio = now / before;
	return ratio >= 10 ? "×" + number.format(Math.round(ratio)) : signed.format(ratio - 1);
}

const units = {};

function unit(n, name) {
	units[name] ??= new Intl.NumberFormat(undefined, {style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: 1});
	return units[name].format(n);
}

// duration shows milliseconds in the two largest units that matter.
export function duration(ms) {
	if (ms < 10 * SECOND) return unit(Math.round(ms / 100) / 10, "second");
	const n = Math.round(ms / SECOND);
	if (n < 60) return unit(n, "second");
	if (n < 3600) return pair(n, 60, "minute", "second");
	if (n < 86400) return pair(Math.round(n / 60), 60, "hour", "minute");
	return pair(Math.round(n / 3600), 24, "day", "hour");
}

function pair(n, size, large, small) {
	const rest = n % size;
	return unit(Math.floor(n / size), large) + (rest ? " " + unit(rest, small) : "");
}

export function clock(moment) {
	return seconds.format(moment);
}

// time shows a moment in the reader's own time zone, with its day unless that is today.
export function time(value) {
	const moment = new Date(value);
	if (isNaN(moment)) return plain(value);
	const day = shortDate.format(moment);
	return (day === shortDate.format(new Date()) ? "" : day + " ") + clock(moment);
}

// period shows from when to when, in the reader's own time zone.
export function period(since, until) {
	return dateTime.formatRange(since, until);
}

export function date(ms) {
	return fullDate.format(ms);
}

// away shows how far ms lies from now, in days, or hours if that is less than two.
export function away(ms) {
	const left = ms - Date.now();
	return Math.abs(left) < 2 * DAY ? relative.format(Math.trunc(left / HOUR), "hour") : relative.format(Math.trunc(left / DAY), "day");
}

// tick labels a moment on an axis whose labels stand step apart.
export function tick(ms, step) {
	const moment = new Date(ms);
	if (step >= 28 * DAY) return (moment.getMonth() ? month : monthYear).format(ms);
	const midnight = moment.getHours() === 0 && moment.getMinutes() === 0;
	return step >= DAY || midnight ? dayMonth.format(ms) : minutes.format(ms);
}

// bucket names the stretch of time that begins at ms and is step long. Days that
// begin at midnight begin an hour before or after it once the clocks have changed.
export function bucket(ms, step) {
	return step >= DAY ? fullDate.format(ms + 2 * HOUR) : dateTime.format(ms);
}

// day names a weekday: 0 is Monday, which the 1st of January 2024 was.
export function day(n, style = "long") {
	return weekday[style].format(new Date(2024, 0, 1 + n));
}

// hour names the hour that begins at n.
export function hour(n) {
	return minutes.format(new Date(2024, 0, 1, n));
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
