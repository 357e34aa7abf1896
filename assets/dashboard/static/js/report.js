// views returns the page views of a step.
export function views({funnel}, step) {
	return funnel.find(line => line.step === step)?.views ?? 0;
}

// compared reports whether there is a range before in which anything happened.
export function compared({previous}) {
	return Boolean(previous?.funnel?.some(({views, chats}) => views || chats));
}

// empty reports whether nothing at all happened.
export function empty(report) {
	return !views(report, "injected") && silent(report);
}

// silent reports whether no event came, be it that pages were injected.
export function silent({funnel, series}) {
	return !funnel.some(({step, views, chats}) => step !== "injected" && views || chats) && !series.some(({counts}) => counts.some(n => n));
}
