import {count} from "./format.js";
import {silent, views} from "./report.js";

// advice says why no event is counted in a range, as far as the figures tell, and
// what to do next; "" where one is counted.
export function advice(report, asked) {
	const {stale, behind, flagged, injection: {results}} = report;
	if (!silent(report) || stale > 1) return "";
	if (stale) return "There are no figures yet.";
	if (behind) return "There are stored events that are not counted yet. The figures go on by themselves.";
	if (!asked.flagged && (flagged.untrusted || flagged.bot || flagged.prerender)) {
		return "All events of this range are doubtful, and not counted. “Stored, but doubtful” below says why, and counts them if you wish.";
	}
	const where = asked.site ? "on this site in this range" : "in this range";
	const [what, next] = (views(report, "injected") ? unheard : results.length ? passed : unseen)(report, where);
	const over = asked.range === "custom" && report.until < Date.now();
	return what + " " + (over ? "Choose a range that lasts until now to see what comes." : next);
}

// unheard is for pages with a listener of which none has reported.
function unheard(report, where) {
	const n = views(report, "injected");
	const then = report.shared ? "An edge’s own dashboard says what was rejected, and whether events are forwarded."
		: report.losses.length ? "If nothing comes, “Rejected and lost” below says what was turned away."
		: "If nothing comes, “Explain a page” below says whether a policy of the page forbids it.";
	return [`${count(n)} ${n === 1 ? "page" : "pages"} went out with the listener ${where}, but no event has come back.`,
		"Open one in a browser and wait for the chat widget. " + then];
}

// passed is for answers of which none was a page to inject.
function passed({injection: {results}, shared}, where) {
	const n = results.reduce((sum, {n}) => sum + n, 0);
	return [`No page was injected ${where}: ${n === 1 ? "one answer passed as it was" : count(n) + " answers passed as they were"}.`,
		"“Pages injected” below names the reasons. " + explain(shared)];
}

// unseen is for no answer at all.
function unseen({shared}, where) {
	return shared ? [`No edge has told of pages ${where}.`, "Open a page of your site through an edge. " + explain(shared)]
		: [`No page has come through ctlive ${where}.`, "Open a page of your site through it. " + explain(shared)];
}

function explain(shared) {
	return (shared ? "On an edge, ctlive explain URL" : "“Explain a page” below, or ctlive explain URL,") + " says why a page is injected or not.";
}
